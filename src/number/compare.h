// The one comparator of the project. NaN fails every comparison; infinities agree only with themselves.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace assay {

// Same bits: -0 differs from +0, and a NaN agrees with the same NaN only.
inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// Whether |a - b| <= limit. Equal infinities agree; anything with a NaN does not.
inline bool within(double a, double b, double limit) { return a == b || std::fabs(a - b) <= limit; }

// Whether |a - b| <= relative * max(|a|, |b|).
inline bool within_relative(double a, double b, double relative) {
  return within(a, b, relative * std::fmax(std::fabs(a), std::fabs(b))) &&
         std::isfinite(a) == std::isfinite(b);
}

// Steps between two FP32 values along the ordered line of floats (-0 and +0 are one step apart from nothing:
// 0 steps). The largest value when either is NaN.
inline std::uint64_t ulp_distance(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<std::uint64_t>::max();
  const auto ordered = [](float value) {
    const auto bits = std::bit_cast<std::int32_t>(value);
    return bits >= 0 ? std::int64_t{bits} : std::int64_t{std::numeric_limits<std::int32_t>::min()} - bits;
  };
  const std::int64_t steps = ordered(a) - ordered(b);
  return static_cast<std::uint64_t>(steps < 0 ? -steps : steps);
}

}  // namespace assay
