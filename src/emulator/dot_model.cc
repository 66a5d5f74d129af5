#include "emulator/dot_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace assay {
namespace {

constexpr int kSingleMinExponent = -126;
constexpr int kSingleFractionBits = 23;
constexpr int kHalfFractionBits = 10;

// Terms are aligned with no smaller exponent than this one (seen on Hopper with BF16: docs/numerics.md).
constexpr int kLeastAlignment = -133;

// (-1)^negative * significand * 2^(exponent - fraction bits). A zero has significand 0.
struct Term {
  bool negative = false;
  std::int64_t significand = 0;
  int exponent = 0;
};

// A finite float whose format has `fraction_bits` and `smallest` as its least normal exponent.
Term decompose(float x, int fraction_bits, int smallest) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  Term term{(bits >> 31) != 0, 0, smallest};
  if ((bits & 0x7fffffffU) == 0) return term;
  const int field = static_cast<int>(bits >> 23 & 0xff);
  std::int64_t significand = bits & 0x7fffff;
  int exponent = kSingleMinExponent;
  if (field != 0) {
    significand |= 0x800000;
    exponent = field - 127;
  }
  // From 23 fraction bits at `exponent` to `fraction_bits` at max(exponent, smallest): exact for the format's
  // values.
  term.exponent = std::max(exponent, smallest);
  term.significand = significand >> (kSingleFractionBits - fraction_bits + term.exponent - exponent);
  return term;
}

// The special result, if any operand is not finite.
std::optional<float> special_sum(float c, const float* a, const float* b, Index n) {
  bool positive = c == std::numeric_limits<float>::infinity();
  bool negative = c == -std::numeric_limits<float>::infinity();
  bool nan = std::isnan(c);
  for (Index i = 0; i < n; ++i) {
    const double product = double{a[i]} * double{b[i]};  // cannot overflow; infinity * 0 is a NaN
    nan = nan || std::isnan(product);
    positive = positive || product == std::numeric_limits<double>::infinity();
    negative = negative || product == -std::numeric_limits<double>::infinity();
  }
  if (nan || (positive && negative)) return std::bit_cast<float>(0x7fffffffU);
  if (positive) return std::numeric_limits<float>::infinity();
  if (negative) return -std::numeric_limits<float>::infinity();
  return std::nullopt;
}

// A term with `term_bits` fraction bits, in units of 2^(largest - fraction_bits), truncated toward zero.
std::int64_t aligned(const Term& term, int term_bits, int largest, int fraction_bits) {
  if (term.significand == 0) return 0;  // its exponent may be above the largest
  const int shift = fraction_bits - term_bits + term.exponent - largest;
  std::int64_t magnitude = 0;
  if (shift >= 0) {
    magnitude = term.significand << shift;
  } else if (shift > -63) {
    magnitude = term.significand >> -shift;
  }
  return term.negative ? -magnitude : magnitude;
}

// sum * 2^unit truncated toward zero to a float with `fraction_bits`, subnormals included.
float truncate_to_float(std::int64_t sum, int unit, int fraction_bits) {
  if (sum == 0) return 0.0F;
  const auto magnitude = static_cast<std::uint64_t>(sum < 0 ? -sum : sum);
  const int exponent = std::max(static_cast<int>(std::bit_width(magnitude)) - 1 + unit, kSingleMinExponent);
  const std::uint32_t sign = sum < 0 ? 0x80000000U : 0U;
  if (exponent > 127) return std::bit_cast<float>(sign | 0x7f800000U);
  // In units of the last fraction bit, then as a significand of 23 fraction bits.
  const int shift = exponent - fraction_bits - unit;
  std::uint64_t kept = 0;
  if (shift < 64) kept = shift >= 0 ? magnitude >> shift : magnitude << -shift;
  if (kept == 0) return 0.0F;
  kept <<= kSingleFractionBits - fraction_bits;
  const bool subnormal = kept < 0x800000U;
  const std::uint32_t field = subnormal ? 0U : static_cast<std::uint32_t>(exponent + 127);
  return std::bit_cast<float>(sign | field << 23 | (static_cast<std::uint32_t>(kept) & 0x7fffffU));
}

// sum * 2^unit rounded to the nearest FP16, ties to even, subnormals included; zero is +0.
float round_to_half(std::int64_t sum, int unit) {
  const std::int64_t magnitude = sum < 0 ? -sum : sum;
  const int exponent =
      std::max(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(magnitude))) - 1 + unit,
               min_exponent(Operand::fp16));
  const int shift = exponent - kHalfFractionBits - unit;  // of the last fraction bit
  std::int64_t kept = 0;
  if (shift <= 0) {
    kept = magnitude << -shift;
  } else if (shift < 63) {
    const std::int64_t rest = magnitude & ((std::int64_t{1} << shift) - 1);
    const std::int64_t half = std::int64_t{1} << (shift - 1);
    kept = magnitude >> shift;
    if (rest > half || (rest == half && kept % 2 == 1)) ++kept;
  }
  if (kept == 0) return 0.0F;
  const float value = std::ldexp(static_cast<float>(kept), exponent - kHalfFractionBits);
  const float rounded = value > 65504.0F ? std::numeric_limits<float>::infinity() : value;
  return sum < 0 ? -rounded : rounded;
}

}  // namespace

float fused_dot_add(const DotArithmetic& arithmetic, Operand operand, float c, const float* a, const float* b,
                    Index n) {
  const bool half = arithmetic.accumulator == Accumulator::fp16;
  if (const auto special = special_sum(c, a, b, n)) {
    return half && std::isnan(*special) ? std::bit_cast<float>(0x7fffe000U) : *special;
  }
  const int operand_fraction = significand_bits(operand) - 1;
  const int smallest = min_exponent(operand);
  const auto product = [&](Index i) {
    const Term x = decompose(a[i], operand_fraction, smallest);
    const Term y = decompose(b[i], operand_fraction, smallest);
    return Term{x.negative != y.negative, x.significand * y.significand, x.exponent + y.exponent};
  };

  const int start_fraction = half ? kHalfFractionBits : kSingleFractionBits;
  const Term start = decompose(c, start_fraction, half ? min_exponent(Operand::fp16) : kSingleMinExponent);
  int largest = kLeastAlignment;
  const auto include = [&](const Term& term) {
    if (term.significand != 0) largest = std::max(largest, term.exponent);
  };
  include(start);
  for (Index i = 0; i < n; ++i) include(product(i));

  const int fraction = arithmetic.fraction_bits;
  std::int64_t sum = aligned(start, start_fraction, largest, fraction);
  for (Index i = 0; i < n; ++i) sum += aligned(product(i), 2 * operand_fraction, largest, fraction);
  return half ? round_to_half(sum, largest - fraction)
              : truncate_to_float(sum, largest - fraction, arithmetic.result_fraction_bits);
}

}  // namespace assay
