// aligned_steps.cuh for FP16.
//
// Largest exponent of the products: each operand of exponent e (biased, at least 1) becomes the BF16 power 2^(4 e), a
// zero 0, and tensor cores add the products of these: at most 8 equal ones, and a constant, so that the sum's exponent is
// 4 L' to 4 L' + 3, L' the largest sum of two e's.
//
// f has 30 exponents. With s = 2^-9 they stand for E = -23 .. 6. A smaller E counts as -23: its last kept bit would be
// below 2^-48, of which all products, and so all sums, are multiples. A larger one, up to 30, takes s = 2^15.
#pragma once

#include "kernels/cuda/aligned_steps.cuh"

namespace assay {

template <int kProducts, int kFraction>
class HalfAligner {
 public:
  using Activation = Fp16Activation;
  static constexpr int kN = kProducts;
  static constexpr int kF = kFraction;
  static constexpr int stage_units(int rows, int columns) { return kStagePieces * (rows + columns); }

  // `kept`: what this aligner keeps for the stage. Rows of x, then those of w.
  template <class Shape>
  __device__ void put_x(uint4* kept, int row, int piece, const uint4& x) {
    include_magnitudes(largest_.x, x);
    kept[piece_place(row, piece)] = {powers(x.x), powers(x.y), powers(x.z), powers(x.w)};
  }
  template <class Shape>
  __device__ void put_w(uint4* kept, int row, int piece, const uint4& w) {
    include_magnitudes(largest_.w, w);
    kept[piece_place(Shape::kRows + row, piece)] = {scaled_powers(w.x), scaled_powers(w.y),
                                                    scaled_powers(w.z), scaled_powers(w.w)};
  }

  // x, w: the first rows of the warp's tile; kept_x, kept_w: theirs.
  template <class Shape>
  __device__ void step_piece(StepSums<Shape>& c, const uint4* x, const uint4* w, const uint4* kept_x,
                             const uint4* kept_w, int piece) {
    std::uint32_t a[2 * Shape::kI];
    std::uint32_t powers_a[2 * Shape::kI];
    std::uint32_t b[Shape::kJ];
    std::uint32_t powers_b[Shape::kJ];
    load_piece(a, x, piece);
    load_piece(b, w, piece);
    load_piece(powers_a, kept_x, piece);
    load_piece(powers_b, kept_w, piece);
    if constexpr (kProducts == 8) {
      step<Shape>(c, a, b, powers_a, powers_b);
    } else {
      static_assert(kProducts == 4);
      // Lanes of the k's of the one step and of the other.
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const bool mine = static_cast<int>(threadIdx.x) % 4 / 2 == half;
        std::uint32_t kept_b[Shape::kJ];
        std::uint32_t kept_powers[Shape::kJ];
#pragma unroll
        for (int j = 0; j < Shape::kJ; ++j) {
          kept_b[j] = mine ? b[j] : 0U;
          kept_powers[j] = mine ? powers_b[j] : 0U;
        }
        step<Shape>(c, a, kept_b, powers_a, kept_powers);
      }
    }
  }

  // Magnitudes of all of the tile's operands.
  static __device__ bool in_range(std::uint32_t x, std::uint32_t w, int inputs) {
    if (max(x, w) >= 0x7c00U) return false;
    const int exponents = static_cast<int>(max(x >> 10, 1U) + max(w >> 10, 1U)) - 30;
    // Sums are below inputs * 2^(exponents + 2).
    return exponents + 2 + (32 - __clz(inputs)) <= 29;
  }
  __device__ const LargestOperands& largest() const { return largest_; }
  __device__ bool lost() const { return false; }

 private:
  static constexpr unsigned kInfinite = 0x7c00;  // f of E = 7

  // Of two operands. Subnormal ones have the smallest normal exponent.
  static __device__ __forceinline__ std::uint32_t powers(std::uint32_t halves) {
    const std::uint32_t magnitudes = halves & 0x7fff7fffU;
    const __half2 x = *reinterpret_cast<const __half2*>(&magnitudes);
    const __half2 least = __float2half2_rn(0x1p-14F);
    const __half2 normal = __hmax2(x, __hmin2(__hmul2(x, __float2half2_rn(1024.0F)), least));
    return (*reinterpret_cast<const std::uint32_t*>(&normal) & 0x7c007c00U) >> 1;
  }
  // Scaled so that a sum's exponent field, over 4, is the exponent field of f.
  static __device__ __forceinline__ std::uint32_t scaled_powers(std::uint32_t halves) {
    constexpr unsigned kScale = 254 - 4 * (kFraction - 19);
    const std::uint32_t x = powers(halves);
    const std::uint32_t scale = twice(kScale << 7);
    const __nv_bfloat162 scaled = __hmul2(*reinterpret_cast<const __nv_bfloat162*>(&x),
                                          *reinterpret_cast<const __nv_bfloat162*>(&scale));
    return *reinterpret_cast<const std::uint32_t*>(&scaled);
  }

  template <class Shape>
  static __device__ __forceinline__ void step(StepSums<Shape>& c, const std::uint32_t (&a)[2 * Shape::kI],
                                              const std::uint32_t (&b)[Shape::kJ],
                                              const std::uint32_t (&powers_a)[2 * Shape::kI],
                                              const std::uint32_t (&powers_b)[Shape::kJ]) {
    const std::uint32_t s_even = cancelling(0x1800U, 0);
    const std::uint32_t s_odd = cancelling(0x1800U, 1);
    std::uint32_t even[Shape::kJ];
    std::uint32_t odd[Shape::kJ];
#pragma unroll
    for (int j = 0; j < Shape::kJ; ++j) {
      even[j] = columns_only(b[j], 0);
      odd[j] = columns_only(b[j], 1);
    }
#pragma unroll
    for (int i = 0; i < Shape::kI; ++i) {
      std::uint32_t f[Shape::kJ][2];
      std::uint32_t largest = 0;
#pragma unroll
      for (int j = 0; j < Shape::kJ; ++j) {
        float sum[4];
        sum_powers(sum, powers_a[2 * i], powers_a[2 * i + 1], powers_b[j]);
        f[j][0] = aligning(c[i][j][0], c[i][j][1], sum[0], sum[1]);
        f[j][1] = aligning(c[i][j][2], c[i][j][3], sum[2], sum[3]);
        largest = __vimax3_u16x2(f[j][0], f[j][1], largest);
      }
      // Fields are below 63, so that this carries nothing from half to half.
      if (__any_sync(~0U, ((largest + twice(0x8000 - kInfinite)) & 0x80008000U) != 0)) {
#pragma unroll
        for (int j = 0; j < Shape::kJ; ++j) {
          float sum[4];
          sum_powers(sum, powers_a[2 * i], powers_a[2 * i + 1], powers_b[j]);
          wide_step(c[i][j], a[2 * i], a[2 * i + 1], even[j], odd[j], sum);
        }
      } else {
        aligned_step<Activation>(c[i], a[2 * i], a[2 * i + 1], even, odd, f, s_even, s_odd);
      }
    }
  }

  static __device__ __forceinline__ void sum_powers(float (&sum)[4], std::uint32_t a0, std::uint32_t a1,
                                                    std::uint32_t b) {
    constexpr float kLeast = 0x1p-123F;  // E = -23
#pragma unroll
    for (float& s : sum) s = kLeast;
    short_step(sum, a0, a1, b);
  }

  // f of two outputs. A c that FP16 cannot hold gives one of kInfinite or more, or one that counts as E = -23.
  static __device__ __forceinline__ std::uint32_t aligning(float c0, float c1, float sum0, float sum1) {
    std::uint32_t pair;
    asm("cvt.rz.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(c1), "f"(c0));
    const __half2 scaled =
        __hmul2(__habs2(*reinterpret_cast<const __half2*>(&pair)), __float2half2_rn(1 << (34 - kFraction)));
    const std::uint32_t sums = __byte_perm(__float_as_uint(sum0), __float_as_uint(sum1), 0x7632);
    return __viaddmax_u16x2(sums, sums, *reinterpret_cast<const std::uint32_t*>(&scaled));
  }

  // The same for any c: the field of f, without bound.
  static __device__ __forceinline__ std::uint32_t wide_aligning(float c0, float c1, float sum0, float sum1) {
    const auto field = [](float c, float sum) {
      constexpr auto kScale = static_cast<std::uint32_t>(127 - 78 - kFraction) << 23;
      const std::uint32_t bits = __float_as_uint(sum);
      return __viaddmax_u32(bits, bits, __float_as_uint(fabsf(c) * __uint_as_float(kScale)) << 3);
    };
    return __byte_perm(field(c0, sum0), field(c1, sum1), 0x7632);
  }

  static __device__ __forceinline__ void wide_step(float (&c)[4], std::uint32_t a0, std::uint32_t a1,
                                                   std::uint32_t even, std::uint32_t odd,
                                                   const float (&sum)[4]) {
    constexpr unsigned kUp = 24U << 10;  // s = 2^15 in place of 2^-9
    constexpr std::uint32_t kMost = twice(0x7800);
    const std::uint32_t f[2] = {wide_aligning(c[0], c[1], sum[0], sum[1]),
                                wide_aligning(c[2], c[3], sum[2], sum[3])};
    const std::uint32_t low_f[1][2] = {{__vminu2(f[0], kMost), __vminu2(f[1], kMost)}};
    const auto high = [](std::uint32_t field) {
      return __vminu2(__vmaxu2(field, twice(kUp + 0x400)) - twice(kUp), kMost);
    };
    const std::uint32_t high_f[1][2] = {{high(f[0]), high(f[1])}};
    const std::uint32_t evens[1] = {even};
    const std::uint32_t odds[1] = {odd};
    float low_c[1][4];
    float high_c[1][4];
#pragma unroll
    for (int r = 0; r < 4; ++r) low_c[0][r] = high_c[0][r] = c[r];
    aligned_step<Activation>(low_c, a0, a1, evens, odds, low_f, cancelling(0x1800U, 0),
                             cancelling(0x1800U, 1));
    aligned_step<Activation>(high_c, a0, a1, evens, odds, high_f, cancelling(0x7800U, 0),
                             cancelling(0x7800U, 1));
#pragma unroll
    for (int r = 0; r < 4; ++r)
      c[r] = (f[r / 2] >> (16 * (r % 2)) & 0xffffU) >= kInfinite ? high_c[0][r] : low_c[0][r];
  }

  LargestOperands largest_;
};

}  // namespace assay
