// A tile of chain_sum.h. Its walks are computed in stack order (stack_order.h), their k's in stages of 64, four
// instructions for each warp's 16 x 8 outputs, which cp.async brings to shared memory some stages ahead; a stage never
// spans two walks. What an instruction lacks of its 16 k's, and a stage of its four instructions, is zeros, which leave
// an accumulator as it is.
//
// Shared memory of a stage: rows of X, then rows of W, 128 bytes (64 k's) each; 16-byte piece p of row r lies at
// place p ^ (r % 8), so that ldmatrix meets no bank twice.
#pragma once

#include "kernels/cuda/device_schedule.h"
#include "kernels/cuda/mma_sync.cuh"
#include "kernels/cuda/product.h"

namespace assay::chain_sum {

inline constexpr int kStep = 16;
inline constexpr int kStageSteps = 4;
inline constexpr int kRowBytes = 2 * kStep * kStageSteps;
inline constexpr int kPieces = kRowBytes / 16;
inline constexpr int kPieceSize = 8;  // numbers

// A tile and who computes it: kDown x kAcross warps, kResident blocks on a multiprocessor.
template <int kTileRows, int kTileColumns, int kDown, int kAcross, int kStageCount, int kBlocks>
struct Shape {
  static constexpr int kRows = kTileRows;
  static constexpr int kColumns = kTileColumns;
  static constexpr int kWarpsAcross = kAcross;
  static constexpr int kThreads = 32 * kDown * kAcross;
  static constexpr int kWarpRows = kRows / kDown;
  static constexpr int kWarpColumns = kColumns / kAcross;
  static constexpr int kStages = kStageCount;
  static constexpr int kResident = kBlocks;
  static constexpr int kStageBytes = (kRows + kColumns) * kRowBytes;
  static constexpr int kSharedBytes = kStages * kStageBytes;
  static constexpr int kAccumulators = kRows * kColumns / kThreads / 4;  // float4s of a thread
};

__device__ __forceinline__ int steps_of_run(const DeviceWalk& walk) { return (walk.run + kStep - 1) / kStep; }
__device__ __forceinline__ int stages_of(const DeviceWalk& walk) {
  return (walk.count * steps_of_run(walk) + kStageSteps - 1) / kStageSteps;
}

// Brings the stages of a tile to shared memory. A thread copies the same piece of every row that it copies.
template <class Shape>
class Loader {
 public:
  __device__ Loader(const ProductOperands& product, const DeviceTile& tile, const DeviceWalk* walks,
                    int count, std::uint32_t shared)
      : walks_(walks), end_(walks + count), inputs_(static_cast<int>(product.inputs)) {
    const int row = static_cast<int>(threadIdx.x) / kPieces;
    const int piece = static_cast<int>(threadIdx.x) % kPieces;
    chunk_ = piece / 2;
    offset_ = piece % 2 * kPieceSize;
    x_ = product.x + (tile.row + row) * product.inputs;
    w_ = product.w + (tile.column + row) * product.inputs;
    x_rows_ = tile.rows - row;
    w_rows_ = tile.columns - row;
    shared_ = shared + row * kRowBytes + (piece ^ row % 8) * 16;
  }

  __device__ __forceinline__ void load_next(int slot) {
    while (stages_ == 0 && walks_ != end_) begin_walk();
    if (stages_ > 0) load(shared_ + slot * Shape::kStageBytes);
    commit_copies();
  }

 private:
  static constexpr int kRowsAtOnce = Shape::kThreads / kPieces;

  __device__ __forceinline__ void begin_walk() {
    walk_ = *walks_++;
    stages_ = stages_of(walk_);
    steps_ = max(steps_of_run(walk_), 1);
    run_ = 0;
    step_ = chunk_;
    find_run();
  }
  __device__ __forceinline__ void find_run() {
    for (; step_ >= steps_; step_ -= steps_) ++run_;
  }

  __device__ __forceinline__ void load(std::uint32_t shared) {
    const int in_run = kStep * step_ + offset_;
    const int k = walk_.first + run_ * walk_.stride + in_run;
    const int bytes = run_ < walk_.count ? 2 * min(max(walk_.run - in_run, 0), kPieceSize) : 0;
    copy_rows<Shape::kRows>(shared, x_ + k, x_rows_, bytes);
    copy_rows<Shape::kColumns>(shared + Shape::kRows * kRowBytes, w_ + k, w_rows_, bytes);
    --stages_;
    step_ += kStageSteps;
    find_run();
  }

  template <int kRows>
  __device__ __forceinline__ void copy_rows(std::uint32_t shared, const std::uint16_t* source, int rows,
                                            int bytes) {
    static_assert(kRows % kRowsAtOnce == 0);
#pragma unroll
    for (int row = 0; row < kRows; row += kRowsAtOnce) {
      copy_async_16(shared + row * kRowBytes, source + row * inputs_, row < rows ? bytes : 0);
    }
  }

  const DeviceWalk* walks_;  // not begun
  const DeviceWalk* end_;
  DeviceWalk walk_ = {};
  int stages_ = 0;  // left of walk_
  int steps_ = 1;   // of a run
  int chunk_;       // the thread's step in each stage
  int offset_;      // of the thread's piece in a step
  int run_ = 0;     // of the next stage's chunk
  int step_ = 0;    // in that run
  const std::uint16_t* x_;
  const std::uint16_t* w_;
  int x_rows_, w_rows_;
  int inputs_;
  std::uint32_t shared_;
};

// A warp's operands of one step, and its accumulators.
template <class Activation, class Shape>
class WarpSum {
 public:
  static constexpr int kDown = Shape::kWarpRows / 16;
  static constexpr int kAcross = Shape::kWarpColumns / 8;
  static_assert(kAcross % 2 == 0);
  struct Operands {
    std::uint32_t x[kDown][4];
    std::uint32_t w[kAcross / 2][4];
  };

  __device__ explicit WarpSum(std::uint32_t shared) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    x_ = shared + (first_row() + lane % 16) * kRowBytes + (lane / 16 ^ lane % 8) * 16;
    w_ = shared + (Shape::kRows + first_column() + lane / 16 * 8 + lane % 8) * kRowBytes +
         (lane / 8 % 2 ^ lane % 8) * 16;
  }

  __device__ __forceinline__ int first_row() const {
    return static_cast<int>(threadIdx.x) / 32 / Shape::kWarpsAcross * Shape::kWarpRows;
  }
  __device__ __forceinline__ int first_column() const {
    return static_cast<int>(threadIdx.x) / 32 % Shape::kWarpsAcross * Shape::kWarpColumns;
  }

  __device__ __forceinline__ void load(Operands& operands, int slot, int step) const {
    const std::uint32_t x = (x_ + slot * Shape::kStageBytes) ^ (step * 32);
    const std::uint32_t w = (w_ + slot * Shape::kStageBytes) ^ (step * 32);
#pragma unroll
    for (int i = 0; i < kDown; ++i) ldmatrix_x4(operands.x[i], x + i * 16 * kRowBytes);
#pragma unroll
    for (int j = 0; j < kAcross / 2; ++j) ldmatrix_x4(operands.w[j], w + j * 16 * kRowBytes);
  }

  __device__ __forceinline__ void add_step(const Operands& operands) {
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        const std::uint32_t(&w)[4] = operands.w[j / 2];
        mma_16x8x16<Activation>(sums[i * kAcross + j], operands.x[i], w[j % 2 * 2], w[j % 2 * 2 + 1]);
      }
    }
  }

  __device__ __forceinline__ void store(const ProductOperands& product, const DeviceTile& tile) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row = first_row() + lane / 4;
    const int column = first_column() + lane % 4 * 2;
    std::uint16_t* out = product.out + (tile.row + row) * product.outputs + tile.column + column;
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
#pragma unroll
      for (int j = 0; j < kAcross; ++j) {
        if (column + j * 8 >= tile.columns) continue;
        const float4 sum = sums[i * kAcross + j];
        if (row + i * 16 < tile.rows)
          store_pair(out + i * 16 * product.outputs + j * 8, Activation::encode_pair(sum.x, sum.y));
        if (row + i * 16 + 8 < tile.rows)
          store_pair(out + (i * 16 + 8) * product.outputs + j * 8, Activation::encode_pair(sum.z, sum.w));
      }
    }
  }

  float4 sums[kDown * kAcross];

 private:
  static __device__ __forceinline__ void store_pair(std::uint16_t* out, std::uint32_t pair) {
    *reinterpret_cast<std::uint32_t*>(out) = pair;
  }

  std::uint32_t x_, w_;
};

template <class Activation>
__device__ __forceinline__ float4 rounded(float4 a) {
  return {Activation::round(a.x), Activation::round(a.y), Activation::round(a.z), Activation::round(a.w)};
}
__device__ __forceinline__ float4 sum_of(float4 a, float4 b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w};
}

// `partials`: the block's part of them. After the last walk all sums are added.
template <class Activation, class Shape>
__device__ __forceinline__ void sum_tile(const ProductOperands& product, const DeviceScheduleView& schedule,
                                         const DeviceTile& tile, float4* partials, std::uint32_t shared) {
  using Warp = WarpSum<Activation, Shape>;
  const DeviceOrder order = schedule.orders[tile.order];
  const DeviceWalk* walks = schedule.walks + order.first_walk;
  const int2* add = schedule.adds + order.first_add;
  const int2* const adds_end = add + order.adds;
  Loader<Shape> loader(product, tile, walks, order.walks, shared);
#pragma unroll 1
  for (int slot = 0; slot < Shape::kStages - 1; ++slot) loader.load_next(slot);
  wait_for_copies<Shape::kStages - 2>();
  __syncthreads();

  Warp warp(shared);
  typename Warp::Operands operands[2];
  int slot = 0;
  int free_slot = Shape::kStages - 1;
  warp.load(operands[0], slot, 0);
  float4* top = partials + threadIdx.x;
  for (int i = 0; i < order.walks; ++i) {
#pragma unroll
    for (float4& sum : warp.sums) sum = {0.0F, 0.0F, 0.0F, 0.0F};
    for (int stage = stages_of(walks[i]); stage > 0; --stage) {
#pragma unroll
      for (int step = 0; step < kStageSteps; ++step) {
        if (step == kStageSteps - 1) {  // the operands of this step are in registers: on to the next stage
          wait_for_copies<Shape::kStages - 2>();
          __syncthreads();
          slot = slot + 1 == Shape::kStages ? 0 : slot + 1;
        }
        warp.load(operands[(step + 1) % 2], slot, (step + 1) % kStageSteps);
        if (step == 0) {
          loader.load_next(free_slot);
          free_slot = free_slot + 1 == Shape::kStages ? 0 : free_slot + 1;
        }
        warp.add_step(operands[step % 2]);
      }
    }
    if (order.rounds_walks != 0) {
#pragma unroll
      for (float4& sum : warp.sums) sum = rounded<Activation>(sum);
    }
    for (int newest = i; add != adds_end && add->y == newest; newest = (add++)->x) {
      top -= Shape::kAccumulators * Shape::kThreads;
#pragma unroll
      for (int j = 0; j < Shape::kAccumulators; ++j)
        warp.sums[j] = sum_of(top[j * Shape::kThreads], warp.sums[j]);
    }
    if (i + 1 == order.walks) break;
#pragma unroll
    for (int j = 0; j < Shape::kAccumulators; ++j) top[j * Shape::kThreads] = warp.sums[j];
    top += Shape::kAccumulators * Shape::kThreads;
  }
  warp.store(product, tile);
}

}  // namespace assay::chain_sum
