// What each instruction computes, as far as the project knows: the expectation that silicon is held to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "instruction.h"
#include "step_model.h"

namespace assay_probe {

struct InstructionSpec {
  Instruction instruction;
  std::string_view name;  // instruction.shape.accumulator.operand
  Operand operand;
  int m;
  int n;
  int k;
  int step;                   // products of one step of the model
  Operand computed_as;        // E4M3 in mma.sync is widened to FP16 first
  bool half_accumulator;      // C and D are FP16
  Instruction compared_with;  // whose special cases it is compared with; itself: printed in full
  int outputs(int tiles) const { return tiles * m * n; }
};

std::span<const InstructionSpec> instruction_table();
std::optional<InstructionSpec> instruction_named(std::string_view name);

// The rules under which the instruction is modelled: the emulator's Hopper row; for FP16 accumulators the
// hypothesis that the same sum is rounded to nearest FP16.
StepRules expected_rules(const InstructionSpec& spec);

// The bits of D for one output. FP32 accumulators through assay::fused_dot_add itself. `a`, `b`: k values.
std::uint32_t expected_bits(const InstructionSpec& spec, std::uint32_t c, const float* a, const float* b);

// The same under other rules, by the adjustable model.
std::uint32_t bits_under(const StepRules& rules, const InstructionSpec& spec, std::uint32_t c, const float* a,
                         const float* b);

}  // namespace assay_probe
