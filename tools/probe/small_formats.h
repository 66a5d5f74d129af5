// The operand formats bit by bit: FP16, BF16 and the two FP8 of the OCP specification (E4M3 has no infinity
// and one NaN, 0x7f, of either sign).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "emulator/arithmetic.h"
#include "number/float16.h"

namespace assay_probe {

using assay::Index;
using assay::Operand;

struct FloatFormat {
  int exponent_bits;
  int fraction_bits;

  constexpr int bits() const { return 1 + exponent_bits + fraction_bits; }
  constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  constexpr int largest_field() const { return (1 << exponent_bits) - 1; }
  constexpr std::uint32_t fraction_mask() const { return (1U << fraction_bits) - 1; }
  constexpr std::uint32_t sign_bit() const { return 1U << (bits() - 1); }
};

inline constexpr FloatFormat kSingle = {8, 23};
inline constexpr FloatFormat kHalf = {5, 10};

constexpr FloatFormat format_of(Operand operand) {
  switch (operand) {
    case Operand::fp16:
      return kHalf;
    case Operand::bf16:
      return {8, 7};
    case Operand::fp8_e4m3:
      return {4, 3};
    case Operand::fp8_e5m2:
      break;
  }
  return {5, 2};
}

constexpr int bytes_of(Operand operand) { return format_of(operand).bits() / 8; }

// Any finite number of any of these formats, exact in FP32.
inline float decode_finite(FloatFormat format, std::uint32_t bits) {
  const auto field =
      static_cast<int>(bits >> format.fraction_bits & static_cast<std::uint32_t>(format.largest_field()));
  const std::uint32_t fraction = bits & format.fraction_mask();
  const std::uint32_t significand = field == 0 ? fraction : fraction | 1U << format.fraction_bits;
  const int exponent = (field == 0 ? 1 : field) - format.bias() - format.fraction_bits;
  const float magnitude = std::ldexp(static_cast<float>(significand), exponent);
  return (bits & format.sign_bit()) != 0 ? -magnitude : magnitude;
}

inline float decode(Operand operand, std::uint32_t bits) {
  switch (operand) {
    case Operand::fp16:
      return assay::from_fp16(static_cast<std::uint16_t>(bits));
    case Operand::bf16:
      return assay::from_bf16(static_cast<std::uint16_t>(bits));
    case Operand::fp8_e4m3:
      if ((bits & 0x7fU) == 0x7fU) return std::bit_cast<float>(0x7fc00000U);
      break;
    case Operand::fp8_e5m2:
      return assay::from_fp16(static_cast<std::uint16_t>(bits << 8));
  }
  return decode_finite(format_of(operand), bits);
}

// An infinity or a NaN.
constexpr bool is_special(Operand operand, std::uint32_t bits) {
  if (operand == Operand::fp8_e4m3) return (bits & 0x7fU) == 0x7fU;
  const FloatFormat format = format_of(operand);
  return static_cast<int>(bits >> format.fraction_bits &
                          static_cast<std::uint32_t>(format.largest_field())) == format.largest_field();
}

}  // namespace assay_probe
