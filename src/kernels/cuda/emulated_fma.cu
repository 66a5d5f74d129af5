// `ieee` and `exact`: each output's products added in k order, in FP32 or FP64. A block takes one tile of outputs after
// another; stages of 16 k's lie in shared memory decoded, the next one on its way through registers.
#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "kernels/cuda/emulated_kernel.h"
#include "kernels/cuda/emulated_tile.cuh"

namespace assay {
namespace {

constexpr int kStageKs = 16;

// kDown x kAcross threads, kI x kJ outputs each; those of a thread are kDown rows and kAcross columns apart.
template <int kThreadsDown, int kThreadsAcross, int kRowsOfThread, int kColumnsOfThread>
struct FmaShape {
  static constexpr int kDown = kThreadsDown;
  static constexpr int kAcross = kThreadsAcross;
  static constexpr int kI = kRowsOfThread;
  static constexpr int kJ = kColumnsOfThread;
  static constexpr int kThreads = kDown * kAcross;
  static constexpr int kRows = kDown * kI;
  static constexpr int kColumns = kAcross * kJ;
};

__device__ __forceinline__ float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ __forceinline__ double multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }

// Two k's of kSize rows for each thread and turn: from global memory to registers to shared memory.
template <class Activation, class Real, int kSize, int kThreads>
class FmaOperand {
 public:
  static constexpr int kPairs = kStageKs / 2;
  static constexpr int kTurns = (kSize * kPairs + kThreads - 1) / kThreads;

  // Rows beyond `rows` repeat the last one; k's beyond `count` are zeros.
  __device__ void load(const std::uint16_t* from, Index stride, int rows, int k, int count) {
#pragma unroll
    for (int turn = 0; turn < kTurns; ++turn) {
      const int i = static_cast<int>(threadIdx.x) + turn * kThreads;
      const std::uint16_t* at = from + min(i / kPairs, rows - 1) * stride + k + i % kPairs * 2;
      const int left = count - i % kPairs * 2;
      const std::uint32_t low = left > 0 ? at[0] : 0U;
      const std::uint32_t high = left > 1 ? at[1] : 0U;
      pairs_[turn] = low | high << 16;
    }
  }
  // to: [kStageKs][kSize].
  __device__ void store(Real* to) const {
#pragma unroll
    for (int turn = 0; turn < kTurns; ++turn) {
      const int i = static_cast<int>(threadIdx.x) + turn * kThreads;
      if (i >= kSize * kPairs) break;
      const float2 pair = Activation::decode_pair(pairs_[turn]);
      to[i % kPairs * 2 * kSize + i / kPairs] = pair.x;
      to[(i % kPairs * 2 + 1) * kSize + i / kPairs] = pair.y;
    }
  }

 private:
  std::uint32_t pairs_[kTurns];
};

template <class Real, class Shape>
__device__ __forceinline__ void add_products(const Real* x, const Real* w, int count,
                                             Real (&c)[Shape::kI][Shape::kJ]) {
  const int row = static_cast<int>(threadIdx.x) / Shape::kAcross;
  const int column = static_cast<int>(threadIdx.x) % Shape::kAcross;
#pragma unroll 4
  for (int k = 0; k < count; ++k) {
    Real a[Shape::kI];
    Real b[Shape::kJ];
#pragma unroll
    for (int i = 0; i < Shape::kI; ++i) a[i] = x[k * Shape::kRows + row + i * Shape::kDown];
#pragma unroll
    for (int j = 0; j < Shape::kJ; ++j) b[j] = w[k * Shape::kColumns + column + j * Shape::kAcross];
#pragma unroll
    for (int i = 0; i < Shape::kI; ++i) {
#pragma unroll
      for (int j = 0; j < Shape::kJ; ++j) c[i][j] = multiply_add(a[i], b[j], c[i][j]);
    }
  }
}

template <class Activation, class Real, class Shape>
__device__ __forceinline__ void run_walk(const ProductOperands& product, const DeviceTile& tile,
                                         const DeviceWalk& walk, Real (&c)[Shape::kI][Shape::kJ]) {
  __shared__ Real x[2][kStageKs * Shape::kRows];
  __shared__ Real w[2][kStageKs * Shape::kColumns];
  FmaOperand<Activation, Real, Shape::kRows, Shape::kThreads> next_x;
  FmaOperand<Activation, Real, Shape::kColumns, Shape::kThreads> next_w;
  const auto load = [&](int k) {
    next_x.load(product.x + tile.row * product.inputs, product.inputs, tile.rows, walk.first + k,
                walk.run - k);
    next_w.load(product.w + tile.column * product.inputs, product.inputs, tile.columns, walk.first + k,
                walk.run - k);
  };
  load(0);
  for (int k = 0; k < walk.run; k += kStageKs) {
    const int buffer = k / kStageKs % 2;
    next_x.store(x[buffer]);
    next_w.store(w[buffer]);
    __syncthreads();
    load(min(k + kStageKs, walk.run));
    add_products<Real, Shape>(x[buffer], w[buffer], min(kStageKs, walk.run - k), c);
  }
  __syncthreads();
}

template <class Activation, class Real, class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kThreads == 256 ? 2 : 4)
    fma_chains(const __grid_constant__ ProductOperands product,
               const __grid_constant__ DeviceScheduleView schedule, float* partials) {
  const int first_row = static_cast<int>(threadIdx.x) / Shape::kAcross;
  const int first_column = static_cast<int>(threadIdx.x) % Shape::kAcross;
  for (int t = static_cast<int>(blockIdx.x); t < schedule.tile_count; t += static_cast<int>(gridDim.x)) {
    const DeviceTile tile = schedule.tiles[t];
    const DeviceOrder order = schedule.orders[tile.order];
    WalkSums<Activation, Shape::kI * Shape::kJ> sums(partials, schedule.most_walks, order);
    for (int walk = 0; walk < order.walks; ++walk) {
      Real c[Shape::kI][Shape::kJ] = {};
      run_walk<Activation, Real, Shape>(product, tile, schedule.walks[order.first_walk + walk], c);
#pragma unroll
      for (int i = 0; i < Shape::kI * Shape::kJ; ++i)
        sums.put(walk, i, static_cast<float>(c[i / Shape::kJ][i % Shape::kJ]));
    }
#pragma unroll 1
    for (int i = 0; i < Shape::kI * Shape::kJ; ++i) {
      const int row = first_row + i / Shape::kJ * Shape::kDown;
      const int column = first_column + i % Shape::kJ * Shape::kAcross;
      if (row >= tile.rows || column >= tile.columns) continue;
      product.out[(tile.row + row) * product.outputs + tile.column + column] =
          Activation::encode(sums.total(schedule.adds, i));
    }
  }
}

template <class Real, class Shape>
EmulatedKernel kernel_of(Dtype dtype) {
  EmulatedKernel kernel = {nullptr, Shape::kThreads, 0, Shape::kRows, Shape::kColumns};
  with_activation(dtype,
                  [&](auto activation) { kernel.function = &fma_chains<decltype(activation), Real, Shape>; });
  return kernel;
}

template <class Real>
EmulatedKernel kernel_of(Dtype dtype, TileSize size) {
  if (size == TileSize::few_rows) return kernel_of<Real, FmaShape<4, 32, 4, 1>>(dtype);
  if (size == TileSize::small) return kernel_of<Real, FmaShape<16, 8, 4, 4>>(dtype);
  return kernel_of<Real, FmaShape<16, 16, 8, std::is_same_v<Real, float> ? 8 : 4>>(dtype);
}

}  // namespace

EmulatedKernel fma_chain_kernel(Family family, Dtype dtype, TileSize size) {
  require(family == Family::ieee || family == Family::exact, "a family without steps");
  return family == Family::ieee ? kernel_of<float>(dtype, size) : kernel_of<double>(dtype, size);
}

}  // namespace assay
