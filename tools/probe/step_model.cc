#include "step_model.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <optional>
#include <vector>

namespace assay_probe {
namespace {

constexpr int kNoPart = -100000;  // below every exponent, twice

double power_of_two(int exponent) {  // of a normal double
  return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

struct Target {
  int fraction_bits;
  int least_exponent;
  bool nearest;
};

// sum * 2^unit to `target`, subnormals included; beyond FP32 it is an infinity.
float round_sum(std::int64_t sum, int unit, const Target& target) {
  if (sum == 0) return 0.0F;
  const auto magnitude = static_cast<std::uint64_t>(std::llabs(sum));
  const int exponent =
      std::max(static_cast<int>(std::bit_width(magnitude)) - 1 + unit, target.least_exponent);
  if (exponent > 127) return std::copysign(std::numeric_limits<float>::infinity(), static_cast<float>(sum));
  const int shift = exponent - target.fraction_bits - unit;
  std::uint64_t kept = 0;
  if (shift <= 0) {
    kept = magnitude << -shift;
  } else if (shift < 64) {
    kept = magnitude >> shift;
    const std::uint64_t rest = magnitude & ((std::uint64_t{1} << shift) - 1);
    const std::uint64_t half = std::uint64_t{1} << (shift - 1);
    if (target.nearest && (rest > half || (rest == half && (kept & 1) != 0))) ++kept;
  }
  if (kept == 0) return 0.0F;
  const double value = static_cast<double>(kept) * power_of_two(exponent - target.fraction_bits);
  return static_cast<float>(sum < 0 ? -value : value);
}

float with_half_overflow(float half) {
  return std::fabs(half) >= 65536.0F ? std::copysign(std::numeric_limits<float>::infinity(), half) : half;
}

float round_as(const StepRules& rules, std::int64_t sum, int unit) {
  switch (rules.rounding) {
    case Rounding::single_truncated:
      break;
    case Rounding::single_nearest:
      return round_sum(sum, unit, {rules.result_fraction_bits, -126, true});
    case Rounding::half_nearest:
      return with_half_overflow(round_sum(sum, unit, {10, -14, true}));
    case Rounding::half_nearest_after_truncated:
      return assay::round_to_fp16(round_sum(sum, unit, {23, -126, false}));
    case Rounding::half_truncated:
      return with_half_overflow(round_sum(sum, unit, {10, -14, false}));
  }
  return round_sum(sum, unit, {rules.result_fraction_bits, -126, false});
}

// significand * 2^shift, toward zero or down.
std::int64_t shifted(std::int64_t significand, int shift, bool floors) {
  if (shift >= 0) return significand << shift;
  const int right = std::min(-shift, 63);
  if (floors) return significand >> right;
  const std::int64_t magnitude = std::llabs(significand) >> right;
  return significand < 0 ? -magnitude : magnitude;
}

// The result, if anything is not finite.
std::optional<float> special_sum(bool half, float c, const float* a, const float* b, Index n) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  bool finite = std::isfinite(c);
  for (Index i = 0; i < n; ++i) finite = finite && std::isfinite(a[i]) && std::isfinite(b[i]);
  if (finite) return std::nullopt;
  bool up = c == kInfinity;
  bool down = c == -kInfinity;
  bool nan = std::isnan(c);
  for (Index i = 0; i < n; ++i) {
    const double product = double{a[i]} * double{b[i]};
    nan = nan || std::isnan(product);
    up = up || product == std::numeric_limits<double>::infinity();
    down = down || product == -std::numeric_limits<double>::infinity();
  }
  if (nan || (up && down)) return std::bit_cast<float>(half ? 0x7fffe000U : 0x7fffffffU);
  return up ? kInfinity : -kInfinity;
}

}  // namespace

StepRules rules_of(const assay::DotArithmetic& arithmetic) {
  return {.products = static_cast<int>(arithmetic.products),
          .fraction_bits = arithmetic.fraction_bits,
          .result_fraction_bits = arithmetic.result_fraction_bits};
}

Factor factor_of(float value, Operand operand, ZeroRule zeros) {
  const int fraction = assay::significand_bits(operand) - 1;
  const int smallest = assay::min_exponent(operand);
  if (value == 0.0F) {
    if (zeros == ZeroRule::no_part) return {0, kNoPart};
    return {0, zeros == ZeroRule::smallest ? smallest : -126};
  }
  const int exponent = std::max(std::ilogb(value), smallest);
  return {static_cast<std::int32_t>(std::ldexp(value, fraction - exponent)), exponent};
}

float add_step(const StepRules& rules, int fraction, float c, const Factor* a, const Factor* b, Index n) {
  std::int64_t start = 0;
  int start_exponent = kNoPart;
  if (c != 0.0F) {
    const auto bits = std::bit_cast<std::uint32_t>(c);
    const auto field = static_cast<int>(bits >> 23 & 0xffU);
    start = (bits & 0x7fffffU) | (field == 0 ? 0U : 0x800000U);
    if (c < 0) start = -start;
    start_exponent = std::max(field, 1) - 127;
  }
  int largest = start_exponent;
  for (Index i = 0; i < n; ++i) {
    int exponent = a[i].exponent + b[i].exponent;
    if (rules.normalises) {
      const std::int64_t product = std::int64_t{a[i].significand} * b[i].significand;
      exponent += std::llabs(product) >> (2 * fraction + 1) != 0 ? 1 : 0;
    }
    largest = std::max(largest, exponent);
  }
  if (largest < kNoPart / 2) return 0.0F;

  const int kept = rules.fraction_bits;
  std::int64_t sum = start == 0 ? 0 : shifted(start, kept - 23 - (largest - start_exponent), rules.floors);
  if (rules.floors || kept < 2 * fraction) {
    for (Index i = 0; i < n; ++i) {
      const std::int64_t product = std::int64_t{a[i].significand} * b[i].significand;
      const int below = largest - (a[i].exponent + b[i].exponent);
      sum += shifted(product, kept - 2 * fraction - std::min(below, 127), rules.floors);
    }
  } else {
    const int up = kept - 2 * fraction;
    for (Index i = 0; i < n; ++i) {
      const std::int64_t product = std::int64_t{a[i].significand} * b[i].significand;
      const std::int64_t sign = product >> 63;
      const std::int64_t magnitude = (product ^ sign) - sign;
      const int below = std::min(largest - (a[i].exponent + b[i].exponent), 63);
      sum += (((magnitude << up) >> below) ^ sign) - sign;
    }
  }
  return round_as(rules, sum, largest - kept);
}

float add_chain(const StepRules& rules, int fraction, float c, const Factor* a, const Factor* b, Index n) {
  for (Index i = 0; i < n; i += rules.products) {
    c = add_step(rules, fraction, c, a + i, b + i, std::min<Index>(rules.products, n - i));
  }
  return c;
}

float model_chain(const StepRules& rules, Operand operand, float c, const float* a, const float* b, Index n) {
  const bool half = rules.rounding == Rounding::half_nearest || rules.rounding == Rounding::half_truncated ||
                    rules.rounding == Rounding::half_nearest_after_truncated;
  const int fraction = assay::significand_bits(operand) - 1;
  for (Index first = 0; first < n; first += rules.products) {
    const Index count = std::min<Index>(rules.products, n - first);
    if (const auto special = special_sum(half, c, a + first, b + first, count)) {
      c = *special;
      continue;
    }
    constexpr Index kMost = 32;
    Factor x[kMost];
    Factor y[kMost];
    for (Index i = 0; i < count; ++i) {
      x[i] = factor_of(a[first + i], operand, rules.zeros);
      y[i] = factor_of(b[first + i], operand, rules.zeros);
    }
    c = add_step(rules, fraction, c, x, y, count);
  }
  return c;
}

}  // namespace assay_probe
