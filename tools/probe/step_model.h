// One step of a tensor core under adjustable rules: the emulator's definition (emulator/dot_model.h) when the
// rules are its own, and the rival hypotheses that a mismatch has to be tried against. Faster than the
// definition, because operands are taken apart once.
#pragma once

#include <cstdint>

#include "small_formats.h"

namespace assay_probe {

// The exponent of a zero operand: it takes no part, or counts as the format's least normal one, or as -126.
enum class ZeroRule : std::uint8_t { no_part, smallest, minus_126 };

enum class Rounding : std::uint8_t {
  single_truncated,
  single_nearest,
  half_nearest,                  // the exact sum of the aligned terms to FP16 at once
  half_nearest_after_truncated,  // by way of the truncated FP32
  half_truncated,
};

struct StepRules {
  int products = 16;
  int fraction_bits = 25;
  int result_fraction_bits = 23;  // of an FP32 result
  ZeroRule zeros = ZeroRule::no_part;
  Rounding rounding = Rounding::single_truncated;
  bool floors = false;      // terms are truncated toward minus infinity
  bool normalises = false;  // a product of 2 or more has one more exponent
  bool operator==(const StepRules&) const = default;
};

StepRules rules_of(const assay::DotArithmetic& arithmetic);

// A finite operand: significand * 2^(exponent - fraction bits of its format).
struct Factor {
  std::int32_t significand = 0;
  std::int32_t exponent = 0;
};

Factor factor_of(float value, Operand operand, ZeroRule zeros);

// c + a_0 b_0 + ... in one step, n <= rules.products. Everything finite. `fraction` is of the operands'
// format.
float add_step(const StepRules& rules, int fraction, float c, const Factor* a, const Factor* b, Index n);

// Steps of rules.products, k ascending, any n. Everything finite.
float add_chain(const StepRules& rules, int fraction, float c, const Factor* a, const Factor* b, Index n);

// The same from floats, specials included: NaN is 0x7fffffff for FP32 and, where FP16 is accumulated, the
// float whose FP16 is 0x7fff.
float model_chain(const StepRules& rules, Operand operand, float c, const float* a, const float* b, Index n);

}  // namespace assay_probe
