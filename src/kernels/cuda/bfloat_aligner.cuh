// aligned_steps.cuh for BF16: exponents of two outputs at a time in the halves of a register.
//
// f is 2^E itself, s = 1. What keeps E within -126 .. 127: operands small enough for sums below 2^119 (in_range), and no
// step whose largest product lies between 0 and 2^-101 (lost). So c is a multiple of 2^-125 and never subnormal.
#pragma once

#include "kernels/cuda/aligned_steps.cuh"

namespace assay {

class BfloatAligner {
 public:
  using Activation = Bf16Activation;
  static constexpr int kN = 8;
  static constexpr int kF = 24;
  // A word for each k of a row of x, and of two rows of w.
  static constexpr int stage_units(int rows, int columns) { return kRowUnits * (rows + columns / 2); }

  template <class Shape>
  __device__ void put_x(uint4* kept, int row, int piece, const uint4& x) {
    include_magnitudes(largest_.x, x);
    const std::uint32_t words[4] = {x.x, x.y, x.z, x.w};
    std::uint32_t exponents[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) exponents[i] = twice(exponent(words[i / 2] >> (16 * (i % 2)), 0));
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      kept[x_unit(row, 2 * piece + i)] = {exponents[4 * i], exponents[4 * i + 1], exponents[4 * i + 2],
                                          exponents[4 * i + 3]};
    }
  }
  template <class Shape>
  __device__ void put_w(uint4* kept, int row, int piece, const uint4& w) {
    include_magnitudes(largest_.w, w);
    const std::uint32_t words[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      auto* place =
          reinterpret_cast<std::uint16_t*>(kept + w_unit(Shape::kRows + row / 2, 2 * piece + i / 4));
      place[i % 4 * 2 + row % 2] =
          static_cast<std::uint16_t>(exponent(words[i / 2] >> (16 * (i % 2)), kToField));
    }
  }

  template <class Shape>
  __device__ void step_piece(StepSums<Shape>& c, const uint4* x, const uint4* w, const uint4* kept_x,
                             const uint4* kept_w, int piece) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    std::uint32_t a[2 * Shape::kI];
    std::uint32_t b[Shape::kJ];
    std::uint32_t even[Shape::kJ];
    std::uint32_t odd[Shape::kJ];
    load_piece(a, x, piece);
    load_piece(b, w, piece);
#pragma unroll
    for (int j = 0; j < Shape::kJ; ++j) {
      even[j] = columns_only(b[j], 0);
      odd[j] = columns_only(b[j], 1);
    }
    const std::uint32_t s_even = cancelling(0x3f80U, 0);
    const std::uint32_t s_odd = cancelling(0x3f80U, 1);
#pragma unroll
    for (int i = 0; i < Shape::kI; ++i) {
      std::uint32_t f[Shape::kJ][2];
#pragma unroll
      for (int down = 0; down < 2; ++down) {
        const int row = 16 * i + 8 * down + lane / 4;
        const uint4 x0 = kept_x[x_unit(row, 2 * piece)];
        const uint4 x1 = kept_x[x_unit(row, 2 * piece + 1)];
#pragma unroll
        for (int j = 0; j < Shape::kJ; ++j) {
          const int columns = 4 * j + lane % 4;
          std::uint32_t largest = larger(x0, kept_w[w_unit(columns, 2 * piece)], kNone);
          largest = larger(x1, kept_w[w_unit(columns, 2 * piece + 1)], largest);
          f[j][down] = aligning(c[i][j][2 * down], c[i][j][2 * down + 1], largest);
        }
      }
      aligned_step<Activation>(c[i], a[2 * i], a[2 * i + 1], even, odd, f, s_even, s_odd);
    }
  }

  static __device__ bool in_range(std::uint32_t x, std::uint32_t w, int inputs) {
    if (max(x, w) >= 0x7f80U) return false;
    const int exponents = static_cast<int>((x >> 7) + (w >> 7)) - 254;
    return exponents + 2 + (32 - __clz(inputs)) <= 119;
  }
  __device__ const LargestOperands& largest() const { return largest_; }
  __device__ bool lost() const {
    return min(smallest_ & 0xffffU, smallest_ >> 16) < static_cast<std::uint32_t>(kLeastField + kShift);
  }

 private:
  static constexpr int kRowUnits = 8;
  static constexpr int kToField = 128;  // from the largest exponent to the exponent field of f
  static constexpr int kLeastField = kToField - 101;
  static constexpr int kShift = 124;   // makes all sums of two exponents positive: at least -252
  static constexpr int kZero = -8192;  // the exponent of a zero; with any other, far below all
  static constexpr std::uint32_t kNone = twice(0xc000);

  // Places in which a warp that reads one place of 8 rows of x, of 4 pairs of rows of w, meets no bank twice. A warp's
  // first row of x is a multiple of 8, its first pair of 4.
  static __device__ __forceinline__ int x_unit(int row, int place) {
    return row * kRowUnits + (place ^ (row & 7));
  }
  static __device__ __forceinline__ int w_unit(int pair, int place) {
    return pair * kRowUnits + (place ^ (pair & 3));
  }

  // As a half, of the operand in the low half.
  static __device__ __forceinline__ std::uint32_t exponent(std::uint32_t bits, int shift) {
    const int field = max(static_cast<int>(bits >> 7 & 0xffU), 1);
    return static_cast<std::uint32_t>((bits & 0x7fffU) == 0 ? kZero : field - 127 + shift) & 0xffffU;
  }

  // Over four k's.
  static __device__ __forceinline__ std::uint32_t larger(const uint4& x, const uint4& w,
                                                         std::uint32_t largest) {
    largest = __viaddmax_s16x2(x.x, w.x, largest);
    largest = __viaddmax_s16x2(x.y, w.y, largest);
    largest = __viaddmax_s16x2(x.z, w.z, largest);
    return __viaddmax_s16x2(x.w, w.w, largest);
  }

  // f of two outputs.
  __device__ __forceinline__ std::uint32_t aligning(float c0, float c1, std::uint32_t largest) {
    smallest_ = __viaddmin_u16x2(largest, twice(kShift), smallest_);
    const std::uint32_t tops = __byte_perm(__float_as_uint(c0), __float_as_uint(c1), 0x7632);
    return __viaddmax_s16x2(tops >> 7 & 0x00ff00ffU, twice(1), largest) << 7;
  }

  LargestOperands largest_;
  std::uint32_t smallest_ = ~0U;  // of the products' largest, with kShift
};

}  // namespace assay
