// The inputs of kernel comparisons, made from a seed, so that golden files hold outputs only and a program
// that runs a real kernel elsewhere makes the same inputs. Plain C++11: included by .cu files too, which may
// define ASSAY_PROBE_HD as `__host__ __device__` before.
#pragma once

#include <cstdint>

#ifndef ASSAY_PROBE_HD
#define ASSAY_PROBE_HD
#endif

namespace assay_probe {

// SplitMix64 (Steele, Lea, Flood 2014) of a seed and an index: a hash, so that any element can be made alone.
ASSAY_PROBE_HD inline std::uint64_t mix(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed * 0x9e3779b97f4a7c15ULL + (index + 1) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

enum Stream : std::uint64_t {
  kActivations = 1,
  kNibbles = 2,
  kScales = 3,
  kZeroPoints = 4,
  kDenseWeights = 5
};

ASSAY_PROBE_HD inline std::uint64_t stream(std::uint64_t seed, Stream which) { return seed * 16 + which; }

// Bits of an FP16 number: any sign and mantissa, exponent field uniform in [low, low + span).
ASSAY_PROBE_HD inline std::uint16_t half_bits(std::uint64_t random, int low, int span) {
  const std::uint64_t exponent =
      static_cast<std::uint64_t>(low) + (random >> 32) % static_cast<std::uint64_t>(span);
  return static_cast<std::uint16_t>((random & 0x83ffU) | (exponent << 10));
}

// x[row, k] of a [rows, inputs] activation matrix: magnitudes 2^-6 to 2^2.
ASSAY_PROBE_HD inline std::uint16_t activation(std::uint64_t seed, std::uint64_t row, std::uint64_t k,
                                               std::uint64_t inputs) {
  return half_bits(mix(stream(seed, kActivations), row * inputs + k), 9, 8);
}

// The stored integer q in 0..15 of W[k, n] of a [inputs, outputs] matrix.
ASSAY_PROBE_HD inline std::uint32_t nibble(std::uint64_t seed, std::uint64_t k, std::uint64_t n,
                                           std::uint64_t outputs) {
  return static_cast<std::uint32_t>(mix(stream(seed, kNibbles), k * outputs + n) >> 60);
}

// Scale of group g, column n: positive, 2^-8 to 2^-5.
ASSAY_PROBE_HD inline std::uint16_t scale(std::uint64_t seed, std::uint64_t group, std::uint64_t n,
                                          std::uint64_t outputs) {
  return static_cast<std::uint16_t>(half_bits(mix(stream(seed, kScales), group * outputs + n), 7, 3) &
                                    0x7fffU);
}

// Zero point of group g, column n, in 0..15 (GPTQ symmetric: 8 everywhere, not made here).
ASSAY_PROBE_HD inline std::uint32_t zero_point(std::uint64_t seed, std::uint64_t group, std::uint64_t n,
                                               std::uint64_t outputs) {
  return static_cast<std::uint32_t>(mix(stream(seed, kZeroPoints), group * outputs + n) >> 60);
}

// W[k, n] of an unquantized matrix: magnitudes 2^-9 to 2^-3.
ASSAY_PROBE_HD inline std::uint16_t dense_weight(std::uint64_t seed, std::uint64_t k, std::uint64_t n,
                                                 std::uint64_t outputs) {
  return half_bits(mix(stream(seed, kDenseWeights), k * outputs + n), 6, 6);
}

// The same magnitudes in BF16, whose exponent bias is 127 and not 15.
ASSAY_PROBE_HD inline std::uint16_t bfloat_bits(std::uint64_t random, int low, int span) {
  const std::uint64_t exponent =
      static_cast<std::uint64_t>(low) + 112 + (random >> 32) % static_cast<std::uint64_t>(span);
  return static_cast<std::uint16_t>((random & 0x807fU) | (exponent << 7));
}

ASSAY_PROBE_HD inline std::uint16_t activation_bf16(std::uint64_t seed, std::uint64_t row, std::uint64_t k,
                                                    std::uint64_t inputs) {
  return bfloat_bits(mix(stream(seed, kActivations), row * inputs + k), 9, 8);
}

ASSAY_PROBE_HD inline std::uint16_t dense_weight_bf16(std::uint64_t seed, std::uint64_t k, std::uint64_t n,
                                                      std::uint64_t outputs) {
  return bfloat_bits(mix(stream(seed, kDenseWeights), k * outputs + n), 6, 6);
}

}  // namespace assay_probe
