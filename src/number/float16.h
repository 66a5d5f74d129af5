// FP16 (IEEE binary16) and BF16: decoding is exact, encoding rounds to nearest even.
#pragma once

#include <bit>
#include <cstdint>

namespace assay {

constexpr float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// NaN becomes a quiet NaN of the same sign.
constexpr std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

constexpr float from_fp16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in FP32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

// Magnitudes of 65520 and more become infinity; NaN becomes a quiet NaN of the same sign.
constexpr std::uint16_t to_fp16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  const auto signed_as = [sign](std::uint32_t half) { return static_cast<std::uint16_t>(sign | half); };
  if (magnitude > 0x7f800000U) return signed_as(0x7e00U | ((magnitude >> 13) & 0x3ffU));
  if (magnitude >= 0x477ff000U) return signed_as(0x7c00U);
  if (magnitude <
      0x38800000U) {  // below 2^-14: the sum with 0.5 leaves the rounded multiple of 2^-24 in the low bits
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return signed_as(std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5F));
  }
  return signed_as((magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13);
}

// x, if FP32 holds it; else the neighbour in FP32 whose last bit is 1. Rounding that to 22 bits or fewer
// (to_fp16, to_bf16) rounds x itself, once (Boldo and Melquiond, "When double rounding is odd", 2005). |x|
// within FP32's range.
constexpr float to_odd_float(double x) {
  const auto nearest = static_cast<float>(x);
  const auto bits = std::bit_cast<std::uint32_t>(nearest);
  const double back = nearest;
  if (!(back < x || back > x) || (bits & 1U) != 0) return nearest;
  const bool grows = (back < x) == (x > 0);
  return std::bit_cast<float>(grows ? bits + 1 : bits - 1);
}

constexpr float round_to_fp16(float value) { return from_fp16(to_fp16(value)); }
constexpr float round_to_bf16(float value) { return from_bf16(to_bf16(value)); }

}  // namespace assay
