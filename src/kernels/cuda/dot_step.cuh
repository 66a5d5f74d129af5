// One step of a tensor core on the CUDA cores, equal to emulator/dot_model.h on every input (FP32 accumulators).
//
// dot_step_exact goes term by term in integers. DotStep is the fast form, for what nearly all steps are; it says when
// it cannot compute one, and the caller then asks dot_step_exact. Both leave products with a zero operand out, so that
// a step of fewer products is one filled up with zeros.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/error.h"
#include "emulator/arithmetic.h"
#include "kernels/cuda/number.cuh"

namespace assay {

// A finite number: (-1)^negative significand 2^(exponent - fraction bits of its format). A zero has significand 0.
struct DotTerm {
  std::uint32_t significand;
  int exponent;
  bool negative;
};

// `smallest`: the least normal exponent of the format, which its subnormals share.
__device__ inline DotTerm dot_term(float x, int fraction_bits, int smallest) {
  const std::uint32_t bits = __float_as_uint(x);
  const int field = static_cast<int>(bits >> 23 & 0xffU);
  const int exponent = field == 0 ? -126 : field - 127;
  const std::uint32_t significand = (bits & 0x7fffffU) | (field == 0 ? 0U : 0x800000U);
  const int kept = max(exponent, smallest);
  if (significand == 0) return {0, smallest, (bits >> 31) != 0};
  return {significand >> (23 - fraction_bits + kept - exponent), kept, (bits >> 31) != 0};
}

// In units of 2^(largest - fraction_bits), truncated toward zero; `term_bits`: the term's own fraction bits. At most 27
// bits, as a term's exponent is at most `largest`.
__device__ inline std::int64_t aligned_term(const DotTerm& term, int term_bits, int largest,
                                            int fraction_bits) {
  if (term.significand == 0) return 0;
  const int shift = fraction_bits - term_bits + term.exponent - largest;
  std::int64_t magnitude = 0;
  if (shift >= 0) {
    magnitude = static_cast<std::int64_t>(term.significand) << shift;
  } else if (shift > -32) {
    magnitude = term.significand >> -shift;
  }
  return term.negative ? -magnitude : magnitude;
}

// sum 2^unit, truncated toward zero to FP32.
__device__ inline float truncated_to_float(std::int64_t sum, int unit) {
  if (sum == 0) return 0.0F;
  const auto magnitude = static_cast<std::uint64_t>(sum < 0 ? -sum : sum);
  const int exponent = max(63 - __clzll(static_cast<long long>(magnitude)) + unit, -126);
  const std::uint32_t sign = sum < 0 ? 0x80000000U : 0U;
  if (exponent > 127) return __uint_as_float(sign | 0x7f800000U);
  const int shift = exponent - 23 - unit;
  std::uint64_t kept = 0;
  if (shift < 64) kept = shift >= 0 ? magnitude >> shift : magnitude << -shift;
  if (kept == 0) return 0.0F;
  const std::uint32_t field = kept < 0x800000U ? 0U : static_cast<std::uint32_t>(exponent + 127);
  return __uint_as_float(sign | field << 23 | (static_cast<std::uint32_t>(kept) & 0x7fffffU));
}

// c + a_0 b_0 + ... + a_{n-1} b_{n-1}, operand i of each at [i * stride]; any n up to the family's. Slow.
template <class Activation>
__device__ __noinline__ float dot_step_exact(int fraction_bits, float c, const std::uint16_t* a, int a_stride,
                                             const std::uint16_t* b, int b_stride, int n) {
  constexpr Operand kOperand = Activation::kDtype == Dtype::fp16 ? Operand::fp16 : Operand::bf16;
  constexpr int kBits = significand_bits(kOperand) - 1;
  constexpr int kSmallest = min_exponent(kOperand);
  constexpr int kLeastAlignment = -133;  // emulator/dot_model.cc

  bool nan = c != c;
  bool positive = c == INFINITY;
  bool negative = c == -INFINITY;
  const auto product = [&](int i) {
    const DotTerm x = dot_term(Activation::decode(a[i * a_stride]), kBits, kSmallest);
    const DotTerm y = dot_term(Activation::decode(b[i * b_stride]), kBits, kSmallest);
    return DotTerm{x.significand * y.significand, x.exponent + y.exponent, x.negative != y.negative};
  };
  const DotTerm start = dot_term(c, 23, -126);
  int largest = start.significand != 0 ? max(start.exponent, kLeastAlignment) : kLeastAlignment;
  for (int i = 0; i < n; ++i) {
    const double value = static_cast<double>(Activation::decode(a[i * a_stride])) *
                         static_cast<double>(Activation::decode(b[i * b_stride]));
    nan = nan || value != value;
    positive = positive || value == static_cast<double>(INFINITY);
    negative = negative || value == -static_cast<double>(INFINITY);
    const DotTerm term = product(i);
    if (term.significand != 0) largest = max(largest, term.exponent);
  }
  if (nan || (positive && negative)) return __uint_as_float(0x7fffffffU);
  if (positive || negative) return positive ? INFINITY : -INFINITY;

  std::int64_t sum = aligned_term(start, 23, largest, fraction_bits);
  for (int i = 0; i < n; ++i) sum += aligned_term(product(i), 2 * kBits, largest, fraction_bits);
  return truncated_to_float(sum, largest - fraction_bits);
}

// The exponent of an operand as DotStep adds and compares it. A sum of two is the product's exponent, or, beyond all
// such, says that a factor is zero (below kAllZero) or not finite (above kNotFinite, a zero times an infinity too).
inline constexpr int kAllZero = -3000;
inline constexpr int kNotFinite = 3000;

template <class Activation>
__device__ inline std::int16_t dot_exponent(std::uint16_t bits) {
  constexpr bool kHalf = Activation::kDtype == Dtype::fp16;
  constexpr int kBits = kHalf ? 10 : 7;
  constexpr int kTop = kHalf ? 31 : 255;
  constexpr int kBias = kHalf ? 15 : 127;
  const int field = (bits & 0x7fff) >> kBits;
  if ((bits & 0x7fff) == 0) return -6000;
  return static_cast<std::int16_t>(field == kTop ? 12000 : max(field, 1) - kBias);
}

// Halves: the larger of `largest` and a + b, of two exponents each.
__device__ inline std::uint32_t larger_exponents(std::uint32_t a, std::uint32_t b, std::uint32_t largest) {
  return __viaddmax_s16x2(a, b, largest);
}
inline constexpr std::uint32_t kNoExponents = 0x80008000U;
__device__ inline int largest_exponent(std::uint32_t halves) {
  return max(static_cast<int>(halves) >> 16, static_cast<int>(static_cast<std::int16_t>(halves & 0xffffU)));
}

// A step of kProducts products whose largest exponent is `largest` (of the operands' dot_exponent), in three parts:
// DotStep step(c, largest); step.add(i, a_i, b_i) for each i, as values; step.result().
//
// Each term is scaled so that its last kept bit is a unit, truncated to an integer and added. While the largest exponent
// L, of c too, is within -100 .. 100, every scale is a normal number, and a product or a scaled c that FP32 rounds (to a
// subnormal number) lies below one unit before and after. Terms are below 2^(F+2), c below 2^(F+1): the sum of at most
// 8 products and c fits 32 bits; of 16 products two sums are kept, and should their total not fit, the step is left to
// dot_step_exact. So is one with L beyond those bounds, unless all products are zeros, where it returns c (never -0).
template <int kProducts, int kFraction>
class DotStep {
 public:
  static constexpr int kN = kProducts;
  static constexpr int kF = kFraction;

  __device__ DotStep(float c, int largest) {
    const int field = max(largest + 127, static_cast<int>(__float_as_uint(c) >> 23 & 0xffU));
    ok_ = static_cast<unsigned>(field - 27) <= 200U;
    unchanged_ = largest < kAllZero;
    unit_ = __int_as_float((field - kFraction) << 23);
    scale_ = __int_as_float((kFraction + 254 - field) << 23);
    c_ = c;
    low_ = __float2int_rz(c * scale_);
    high_ = 0;
  }

  // `i` is known to the compiler, after unrolling.
  __device__ void add(int i, float a, float b) {
    const int term = __float2int_rz(a * b * scale_);
    if (i < 8) {
      low_ += term;
    } else {
      high_ += term;
    }
  }

  // Of the whole step; meaningless unless ok().
  __device__ float result() const {
    if (unchanged_) return c_ + 0.0F;
    return __int2float_rz(total()) * unit_;
  }
  __device__ bool ok() const {
    const int total = this->total();
    const bool fits = kProducts <= 8 || ((low_ ^ total) & (high_ ^ total)) >= 0;
    return unchanged_ || (ok_ && fits);
  }

 private:
  __device__ int total() const {
    return static_cast<int>(static_cast<unsigned>(low_) + static_cast<unsigned>(high_));
  }

  float c_, unit_, scale_;
  int low_, high_;
  bool ok_, unchanged_;
};

// Calls body(DotStep type's object) for the arithmetic of a family.
template <class Body>
void with_dot_step(const DotArithmetic& arithmetic, const Body& body) {
  if (arithmetic == DotArithmetic{4, 23}) return body(std::type_identity<DotStep<4, 23>>{});
  if (arithmetic == DotArithmetic{8, 24}) return body(std::type_identity<DotStep<8, 24>>{});
  if (arithmetic == DotArithmetic{16, 25}) return body(std::type_identity<DotStep<16, 25>>{});
  throw Fault("steps of tensor cores on FP16 and BF16 have 4, 8 or 16 products");
}

}  // namespace assay
