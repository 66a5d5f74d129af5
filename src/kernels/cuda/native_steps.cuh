// In place of an aligner of aligned_steps.cuh, for families whose own step is Hopper's: nothing to align.
#pragma once

#include "kernels/cuda/aligned_steps.cuh"

namespace assay {

template <class Type>
class NativeSteps {
 public:
  using Activation = Type;
  static constexpr int kN = 16;
  static constexpr int kF = 25;
  static constexpr int stage_units(int, int) { return 0; }

  template <class Shape>
  __device__ void put_x(uint4*, int, int, const uint4&) {}
  template <class Shape>
  __device__ void put_w(uint4*, int, int, const uint4&) {}

  template <class Shape>
  __device__ void step_piece(StepSums<Shape>& c, const uint4* x, const uint4* w, const uint4*, const uint4*,
                             int piece) {
    if (piece % 2 != 0) return;
    std::uint32_t a[2][2 * Shape::kI];
    std::uint32_t b[2][Shape::kJ];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      load_piece(a[half], x, piece + half);
      load_piece(b[half], w, piece + half);
    }
#pragma unroll
    for (int i = 0; i < Shape::kI; ++i) {
#pragma unroll
      for (int j = 0; j < Shape::kJ; ++j) {
        hopper_step<Activation>(c[i][j], a[0][2 * i], a[0][2 * i + 1], a[1][2 * i], a[1][2 * i + 1], b[0][j],
                                b[1][j]);
      }
    }
  }

  static __device__ bool in_range(std::uint32_t, std::uint32_t, int) { return true; }
  __device__ LargestOperands largest() const { return {}; }
  __device__ bool lost() const { return false; }
};

}  // namespace assay
