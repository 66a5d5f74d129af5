// RMS norm, a block a row. A thread holds kPieces times eight numbers of the row in registers from the first pass to
// the last; in between, the row lies in shared memory, where one warp reads it in the order of the 32 lanes: that
// chain of n / 32 dependent fma is the latency of the kernel, and blocks of other rows hide it.
#include "base/error.h"
#include "kernels/cuda/early_launch.cuh"
#include "kernels/cuda/row_ops.h"
#include "kernels/cuda/vector8.cuh"
#include "kernels/ops.h"

namespace assay {
namespace {

constexpr int kPieces = 2;
constexpr Index kMostThreads = 1024;
constexpr Index kMostColumns = kMostThreads * kPieces * 8;  // 32 KiB of shared memory

// Sums of squares in the warp's lanes. The numbers of kBatch steps are loaded while those before are added.
template <class T>
__device__ __forceinline__ float lane_sum(const std::uint16_t* row, int n) {
  constexpr int kBatch = 8;
  constexpr int kBatchColumns = kBatch * kReductionLanes;
  const auto lane = static_cast<int>(threadIdx.x);
  const int whole = n / kBatchColumns * kBatchColumns;
  float sum = 0.0F;
  std::uint16_t ahead[kBatch] = {};
  const auto load = [&](int first) {
#pragma unroll
    for (int s = 0; s < kBatch; ++s) ahead[s] = row[first + s * kReductionLanes + lane];
  };
  if (whole > 0) load(0);
  for (int first = 0; first < whole; first += kBatchColumns) {
    float now[kBatch];
#pragma unroll
    for (int s = 0; s < kBatch; ++s) now[s] = T::decode(ahead[s]);
    if (first + kBatchColumns < whole) load(first + kBatchColumns);
#pragma unroll
    for (int s = 0; s < kBatch; ++s) sum = __fmaf_rn(now[s], now[s], sum);
  }
  for (int i = whole + lane; i < n; i += kReductionLanes) {
    const float x = T::decode(row[i]);
    sum = __fmaf_rn(x, x, sum);
  }
  return sum;
}

// 1 / sqrt(mean square + eps) in lane 0 of the warp that calls it.
template <class T>
__device__ __forceinline__ float inverse_rms(const std::uint16_t* row, int n, float eps) {
  float sum = lane_sum<T>(row, n);
  for (int width = kReductionLanes / 2; width > 0; width /= 2) {
    sum += __shfl_down_sync(0xffffffffU, sum, static_cast<unsigned>(width));
  }
  return 1.0F / sqrtf(sum / static_cast<float>(n) + eps);
}

template <class T>
__device__ __forceinline__ uint4 add8(uint4 x, uint4 y) {
  Vector8 sum = decode8<T>(x);
  const Vector8 other = decode8<T>(y);
#pragma unroll
  for (int e = 0; e < 8; ++e) sum.value[e] += other.value[e];
  return encode8<T>(sum);
}

template <class T>
__device__ __forceinline__ uint4 scale8(uint4 x, float scale, uint4 weight) {
  Vector8 out = decode8<T>(x);
  const Vector8 factor = decode8<T>(weight);
#pragma unroll
  for (int e = 0; e < 8; ++e) out.value[e] = T::round(out.value[e] * scale) * factor.value[e];
  return encode8<T>(out);
}

// kAdds: x is the residual, which becomes RN(update + x). x and out may be the same.
template <class T, bool kAdds>
__global__ void __launch_bounds__(kMostThreads)
    rms_norm_rows(const uint4* update, uint4* x, const uint4* __restrict__ weight, int n, float eps,
                  uint4* out) {
  let_later_kernels_start();
  extern __shared__ uint4 shared_row[];
  __shared__ float shared_scale;
  const int vectors = n / 8;
  const Index first = blockIdx.x * static_cast<Index>(vectors);
  uint4 held[kPieces];
  uint4 added[kPieces];
  uint4 factor[kPieces];
#pragma unroll
  for (int p = 0; p < kPieces; ++p) {
    const int i = static_cast<int>(threadIdx.x + p * blockDim.x);
    if (i < vectors) factor[p] = __ldg(weight + i);
  }
  wait_for_earlier_kernels();
#pragma unroll
  for (int p = 0; p < kPieces; ++p) {
    const int i = static_cast<int>(threadIdx.x + p * blockDim.x);
    if (i >= vectors) continue;
    held[p] = x[first + i];
    if (kAdds) added[p] = update[first + i];
  }
#pragma unroll
  for (int p = 0; p < kPieces; ++p) {
    const int i = static_cast<int>(threadIdx.x + p * blockDim.x);
    if (i >= vectors) continue;
    if (kAdds) {
      held[p] = add8<T>(added[p], held[p]);
      x[first + i] = held[p];
    }
    shared_row[i] = held[p];
  }
  __syncthreads();
  if (threadIdx.x < kReductionLanes) {
    const float scale = inverse_rms<T>(reinterpret_cast<const std::uint16_t*>(shared_row), n, eps);
    if (threadIdx.x == 0) shared_scale = scale;
  }
  __syncthreads();
  const float scale = shared_scale;
#pragma unroll
  for (int p = 0; p < kPieces; ++p) {
    const int i = static_cast<int>(threadIdx.x + p * blockDim.x);
    if (i < vectors) out[first + i] = scale8<T>(held[p], scale, factor[p]);
  }
}

template <bool kAdds>
void launch(Dtype dtype, const std::uint16_t* update, std::uint16_t* x, const std::uint16_t* weight,
            Index rows, Index n, float eps, std::uint16_t* out, cudaStream_t stream) {
  require(n % 8 == 0 && n <= kMostColumns, "rms_norm takes rows of at most 16384 numbers, a multiple of 8");
  const Index threads = (n / 8 + kPieces * 32 - 1) / (kPieces * 32) * 32;
  with_activation(dtype, [&](auto t) {
    launch_early(rms_norm_rows<decltype(t), kAdds>, "rms_norm_rows",
                 {static_cast<unsigned>(rows), static_cast<unsigned>(threads),
                  static_cast<std::size_t>(2 * n), stream},
                 reinterpret_cast<const uint4*>(update), reinterpret_cast<uint4*>(x),
                 reinterpret_cast<const uint4*>(weight), static_cast<int>(n), eps,
                 reinterpret_cast<uint4*>(out));
  });
}

}  // namespace

void rms_norm(Dtype dtype, const std::uint16_t* x, const std::uint16_t* weight, Index rows, Index n,
              float eps, std::uint16_t* out, cudaStream_t stream) {
  // Not written: kAdds is false.
  launch<false>(dtype, nullptr, const_cast<std::uint16_t*>(x), weight, rows, n, eps, out, stream);
}

void add_rms_norm(Dtype dtype, const std::uint16_t* update, std::uint16_t* residual,
                  const std::uint16_t* weight, Index rows, Index n, float eps, std::uint16_t* out,
                  cudaStream_t stream) {
  launch<true>(dtype, update, residual, weight, rows, n, eps, out, stream);
}

}  // namespace assay
