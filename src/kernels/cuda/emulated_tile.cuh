// What the kernels of emulated_product.h share: the k's of a walk in pieces of 8, and what becomes of a tile's walks.
#pragma once

#include <cstdint>

#include "kernels/cuda/device_schedule.h"
#include "kernels/cuda/number.cuh"
#include "kernels/cuda/product.h"

namespace assay {

inline constexpr int kPieceSize = 8;
inline constexpr int kStagePieces = 4;  // a stage is 32 k's in shared memory

// A thread's piece of one stage of a walk after another. Runs are filled up to whole pairs of pieces, 16 k's, so that no
// step spans two of them.
class PieceCursor {
 public:
  __device__ PieceCursor(const DeviceWalk& walk, int piece)
      : walk_(walk), start_(walk.first), i_(piece * kPieceSize), runs_(walk.count) {
    settle();
  }
  __device__ void next_stage() {
    i_ += kStagePieces * kPieceSize;
    settle();
  }
  // k() .. k() + count() - 1; the rest of the piece is zeros.
  __device__ int k() const { return start_ + i_; }
  __device__ int count() const { return runs_ > 0 ? min(max(walk_.run - i_, 0), kPieceSize) : 0; }

 private:
  __device__ void settle() {
    while (runs_ > 0 && i_ >= filled_run(walk_)) {
      i_ -= filled_run(walk_);
      start_ += walk_.stride;
      --runs_;
    }
  }
  static __device__ int filled_run(const DeviceWalk& walk) { return (walk.run + 15) / 16 * 16; }

  DeviceWalk walk_;
  int start_, i_, runs_;
};

__device__ __forceinline__ int stages_of(const DeviceWalk& walk) {
  const int pairs = walk.count * ((walk.run + 15) / 16);
  return (2 * pairs + kStagePieces - 1) / kStagePieces;
}

// Where cp.async cannot: k's that begin between the 16 bytes.
__device__ __noinline__ inline void copy_numbers(uint4* to, const std::uint16_t* from, int count) {
  auto* out = reinterpret_cast<std::uint16_t*>(to);
  for (int i = 0; i < kPieceSize; ++i) out[i] = i < count ? from[i] : std::uint16_t{0};
}

// Starts a copy to shared memory. Rows begin at multiples of 16 bytes.
__device__ __forceinline__ void copy_piece(uint4* to, const std::uint16_t* row, int k, int count) {
  if (count > 0 && k % kPieceSize != 0) return copy_numbers(to, row + k, count);
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(row + (count > 0 ? k : 0)),
               "r"(2 * count)
               : "memory");
}
__device__ __forceinline__ void close_copy_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Of this thread; all but the last `kPending` groups.
template <int kPending>
__device__ __forceinline__ void wait_copy_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// The accumulators of a tile's walks, kCount a thread, in memory that only this block uses.
template <class Activation, int kCount>
class WalkSums {
 public:
  __device__ WalkSums(float* partials, int most_walks, const DeviceOrder& order)
      : sums_(partials +
              static_cast<std::size_t>(blockIdx.x) * static_cast<std::size_t>(most_walks * kCount) *
                  blockDim.x +
              threadIdx.x),
        order_(order) {}

  __device__ void put(int walk, int i, float sum) {
    at(walk, i) = order_.rounds_walks != 0 ? Activation::round(sum) : sum;
  }

  // The sum of output i over the walks, which is used up.
  __device__ float total(const int2* adds, int i) {
    for (int a = order_.first_add; a < order_.first_add + order_.adds; ++a) {
      at(adds[a].x, i) = __fadd_rn(at(adds[a].x, i), at(adds[a].y, i));
    }
    return at(0, i);
  }

 private:
  __device__ float& at(int walk, int i) {
    return sums_[static_cast<std::size_t>(walk * kCount + i) * blockDim.x];
  }

  float* sums_;
  DeviceOrder order_;
};

}  // namespace assay
