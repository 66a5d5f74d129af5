// Random numbers as bits of a format, from a counter and a hash.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "inputs.h"
#include "small_formats.h"

namespace assay_probe {

class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}

  std::uint32_t next() { return static_cast<std::uint32_t>(mix(seed_, count_++) >> 32); }
  std::uint64_t below(std::uint64_t bound) { return (mix(seed_, count_++) >> 32) * bound >> 32; }
  int between(int low, int high) {  // both included
    return low + static_cast<int>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  // Four uniform numbers in [0, 1) added and centred: variance 1/3, in [-2, 2).
  float bell() {
    const std::uint64_t bits = mix(seed_, count_++);
    const std::uint64_t sum =
        (bits & 0xffffU) + (bits >> 16 & 0xffffU) + (bits >> 32 & 0xffffU) + (bits >> 48);
    return (static_cast<float>(sum) - 0x1.fffep16F) * 0x1p-16F;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

// Random sign and fraction under this exponent field; field 0: zero or subnormal.
inline std::uint32_t with_field(Random& random, FloatFormat format, int field) {
  const std::uint32_t bits = random.next();
  const std::uint32_t sign = bits >> 31 != 0 ? format.sign_bit() : 0U;
  return sign | static_cast<std::uint32_t>(field) << format.fraction_bits | (bits & format.fraction_mask());
}

// Random sign and fraction near 2^exponent: a subnormal of that size below the normal range (zero below
// them), the largest ordinary exponent above it. All results are finite (E4M3's top exponent is not used).
inline std::uint32_t with_exponent(Random& random, FloatFormat format, int exponent) {
  const int field = exponent + format.bias();
  if (field >= 1) return with_field(random, format, std::min(field, format.largest_field() - 1));
  const int leading = format.fraction_bits + field - 1;
  const std::uint32_t bits = with_field(random, format, 0);
  if (leading < 0) return bits & format.sign_bit();
  return (bits & format.sign_bit()) | 1U << leading | (bits & ((1U << leading) - 1));
}

// An infinity or NaN becomes a finite number of the exponent below, or E4M3's NaN its largest number.
inline std::uint32_t without_special(Operand operand, std::uint32_t bits) {
  if (!is_special(operand, bits)) return bits;
  return operand == Operand::fp8_e4m3 ? bits ^ 1U : bits ^ 1U << format_of(operand).fraction_bits;
}

inline std::uint32_t random_finite(Random& random, Operand operand) {
  const FloatFormat format = format_of(operand);
  return without_special(operand, random.next() & (format.sign_bit() | (format.sign_bit() - 1)));
}

inline std::uint32_t random_finite_single(Random& random) {
  const std::uint32_t bits = random.next();
  return (bits & 0x7f800000U) == 0x7f800000U ? bits ^ 0x800000U : bits;
}

// `value` with the format's fraction, the rest cut off; below the normal range it is zero.
inline std::uint32_t truncated(FloatFormat format, float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 31 != 0 ? format.sign_bit() : 0U;
  const int field = static_cast<int>(bits >> 23 & 0xffU) - 127 + format.bias();
  if (field < 1) return sign;
  const std::uint32_t fraction = (bits & 0x7fffffU) >> (23 - format.fraction_bits);
  return sign | static_cast<std::uint32_t>(field) << format.fraction_bits | fraction;
}

}  // namespace assay_probe
