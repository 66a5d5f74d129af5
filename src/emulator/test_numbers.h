// Operands for tests of matrix steps: families of inputs that the vector forms could get wrong.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "base/index.h"
#include "number/dtype.h"
#include "number/float16.h"

namespace assay {

enum class Inputs : std::uint8_t {
  any_bits,    // every pattern of the type but infinities and NaN, subnormals among them
  normal,      // similar magnitudes
  cancelling,  // pairs that nearly cancel
  wide,        // exponents over the whole range, many zeros
  subnormal,   // subnormals and zeros only
  special,     // infinities and NaN among the others
  zeros,       // mostly zeros, so that all products of a step may be
  moderate,    // exponents within +-14, which no form of the step has to leave to the model
  edge,        // BF16: products about 2^-100 and 2^60, the edges of what the vectors take
  huge,        // near the largest, equal signs: the 33rd bit of a sum of 16 is needed
};

inline constexpr Inputs kAllInputs[] = {Inputs::any_bits,  Inputs::normal,  Inputs::cancelling, Inputs::wide,
                                        Inputs::subnormal, Inputs::special, Inputs::zeros,      Inputs::huge};

inline float decode_half(Dtype dtype, std::uint16_t bits) {
  return dtype == Dtype::fp16 ? from_fp16(bits) : from_bf16(bits);
}

inline std::uint16_t encode_half(Dtype dtype, float x) {
  return dtype == Dtype::fp16 ? to_fp16(x) : to_bf16(x);
}

// Bits of `n` operands.
inline std::vector<std::uint16_t> random_operands(Inputs kind, Dtype dtype, Index n, std::mt19937& random) {
  const int mantissa_bits = dtype == Dtype::fp16 ? 10 : 7;
  const int top_field = dtype == Dtype::fp16 ? 31 : 255;
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> operands;
  for (Index i = 0; i < n; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    const std::uint32_t sign_and_mantissa = (bits & 0x8000U) | (bits & ((1U << mantissa_bits) - 1));
    const auto with_field = [&](std::uint32_t field) {
      return static_cast<std::uint16_t>(sign_and_mantissa | field << mantissa_bits);
    };
    const std::uint32_t other = static_cast<std::uint32_t>(random());
    switch (kind) {
      case Inputs::any_bits:
        operands.push_back(with_field(other % static_cast<std::uint32_t>(top_field)));
        break;
      case Inputs::normal:
        operands.push_back(encode_half(dtype, normal(random)));
        break;
      case Inputs::cancelling:
        operands.push_back(i % 2 == 1 && other % 4 != 0
                               ? static_cast<std::uint16_t>(operands.back() ^ 0x8000U ^ (other >> 8 & 1U))
                               : encode_half(dtype, normal(random)));
        break;
      case Inputs::wide:
        operands.push_back(other % 3 == 0 ? static_cast<std::uint16_t>(bits & 0x8000U)
                                          : with_field(other / 3 % static_cast<std::uint32_t>(top_field)));
        break;
      case Inputs::subnormal:
        operands.push_back(other % 4 == 0 ? std::uint16_t{0} : with_field(0));
        break;
      case Inputs::special:
        operands.push_back(other % 64 == 0 ? with_field(static_cast<std::uint32_t>(top_field))
                                           : encode_half(dtype, normal(random)));
        break;
      case Inputs::moderate:
        operands.push_back(with_field(static_cast<std::uint32_t>(top_field / 2 - 14) + other % 29));
        break;
      case Inputs::edge: {
        const std::uint32_t middle = static_cast<std::uint32_t>(top_field / 2);
        const std::uint32_t low = dtype == Dtype::fp16 ? 1 : middle - 52;
        const std::uint32_t high = dtype == Dtype::fp16 ? 28 : middle + 28;
        operands.push_back(with_field((other & 64) == 0 ? low + other % 4 : high + other % 3));
        break;
      }
      case Inputs::zeros:
        operands.push_back(other % 4 != 0 ? static_cast<std::uint16_t>(bits & 0x8000U)
                                          : with_field(other / 4 % static_cast<std::uint32_t>(top_field)));
        break;
      case Inputs::huge: {
        const auto field = static_cast<std::uint32_t>(top_field / 2 + 4) << mantissa_bits;
        operands.push_back(static_cast<std::uint16_t>(field | ((1U << mantissa_bits) - 1 - other % 2)));
        break;
      }
    }
  }
  return operands;
}

// Starting accumulators: zeros of both signs and values of the size of the products; with `extremes`, tiny,
// subnormal and huge ones too, and for Inputs::special infinities and NaN.
inline std::vector<float> random_accumulators(Inputs kind, bool extremes, Index n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (Index i = 0; i < n; ++i) {
    const std::uint32_t choice = static_cast<std::uint32_t>(random()) % 16;
    const auto bits = static_cast<std::uint32_t>(random());
    const auto with_field = [&](std::uint32_t field) {
      return std::bit_cast<float>((bits & 0x807fffffU) | field << 23);
    };
    float value = normal(random) * 4;
    if (choice == 0) value = 0.0F;
    if (choice == 1) value = -0.0F;
    if (choice >= 8) value = with_field(30 + (bits >> 24) % 180);
    if (extremes) {
      if (choice == 2) value = with_field(0);
      if (choice == 3) value = with_field(20);
      if (choice == 4 && kind == Inputs::wide) value = with_field(254);
      if (choice == 5 && kind == Inputs::special) value = with_field(255);
    }
    values.push_back(value);
  }
  return values;
}

}  // namespace assay
