#include "instructions.h"

#include <array>
#include <bit>

#include "emulator/dot_model.h"

namespace assay_probe {
namespace {

using enum Instruction;
using enum assay::Operand;

constexpr std::array kTable = {
    InstructionSpec{mma_k16_f32_f16, "mma.m16n8k16.f32.f16", fp16, 16, 8, 16, 16, fp16, false,
                    mma_k16_f32_f16},
    InstructionSpec{mma_k16_f32_bf16, "mma.m16n8k16.f32.bf16", bf16, 16, 8, 16, 16, bf16, false,
                    mma_k16_f32_bf16},
    InstructionSpec{mma_k8_f32_f16, "mma.m16n8k8.f32.f16", fp16, 16, 8, 8, 8, fp16, false, mma_k16_f32_f16},
    InstructionSpec{mma_k8_f32_bf16, "mma.m16n8k8.f32.bf16", bf16, 16, 8, 8, 8, bf16, false,
                    mma_k16_f32_bf16},
    InstructionSpec{mma_k16_f16_f16, "mma.m16n8k16.f16.f16", fp16, 16, 8, 16, 16, fp16, true,
                    mma_k16_f16_f16},
    InstructionSpec{mma_k8_f16_f16, "mma.m16n8k8.f16.f16", fp16, 16, 8, 8, 8, fp16, true, mma_k16_f16_f16},
    InstructionSpec{mma_k32_f32_e4m3, "mma.m16n8k32.f32.e4m3", fp8_e4m3, 16, 8, 32, 16, fp16, false,
                    mma_k32_f32_e4m3},
    InstructionSpec{wgmma_rs_f32_f16, "wgmma.m64n8k16.f32.f16.rs", fp16, 64, 8, 16, 16, fp16, false,
                    mma_k16_f32_f16},
    InstructionSpec{wgmma_rs_f32_bf16, "wgmma.m64n8k16.f32.bf16.rs", bf16, 64, 8, 16, 16, bf16, false,
                    mma_k16_f32_bf16},
    InstructionSpec{wgmma_rs_f16_f16, "wgmma.m64n8k16.f16.f16.rs", fp16, 64, 8, 16, 16, fp16, true,
                    mma_k16_f16_f16},
    InstructionSpec{wgmma_rs_f32_e4m3, "wgmma.m64n8k32.f32.e4m3.rs", fp8_e4m3, 64, 8, 32, 32, fp8_e4m3, false,
                    wgmma_rs_f32_e4m3},
    InstructionSpec{wgmma_rs_f32_e5m2, "wgmma.m64n8k32.f32.e5m2.rs", fp8_e5m2, 64, 8, 32, 32, fp8_e5m2, false,
                    wgmma_rs_f32_e5m2},
    InstructionSpec{wgmma_ss_f32_f16, "wgmma.m64n8k16.f32.f16.ss", fp16, 64, 8, 16, 16, fp16, false,
                    mma_k16_f32_f16},
    InstructionSpec{wgmma_ss_f32_bf16, "wgmma.m64n8k16.f32.bf16.ss", bf16, 64, 8, 16, 16, bf16, false,
                    mma_k16_f32_bf16},
    InstructionSpec{wgmma_ss_f32_e4m3, "wgmma.m64n8k32.f32.e4m3.ss", fp8_e4m3, 64, 8, 32, 32, fp8_e4m3, false,
                    wgmma_rs_f32_e4m3},
};

float accumulator(const InstructionSpec& spec, std::uint32_t bits) {
  return spec.half_accumulator ? assay::from_fp16(static_cast<std::uint16_t>(bits))
                               : std::bit_cast<float>(bits);
}

std::uint32_t accumulator_bits(const InstructionSpec& spec, float value) {
  return spec.half_accumulator ? assay::to_fp16(value) : std::bit_cast<std::uint32_t>(value);
}

}  // namespace

std::span<const InstructionSpec> instruction_table() { return kTable; }

std::optional<InstructionSpec> instruction_named(std::string_view name) {
  for (const InstructionSpec& spec : kTable) {
    if (spec.name == name) return spec;
  }
  return std::nullopt;
}

StepRules expected_rules(const InstructionSpec& spec) {
  StepRules rules = rules_of(*assay::dot_arithmetic(assay::Family::hopper, spec.computed_as));
  rules.products = spec.step;
  if (spec.half_accumulator) rules.rounding = Rounding::half_nearest;
  return rules;
}

std::uint32_t expected_bits(const InstructionSpec& spec, std::uint32_t c, const float* a, const float* b) {
  if (spec.half_accumulator) return bits_under(expected_rules(spec), spec, c, a, b);
  const auto arithmetic = *assay::dot_arithmetic(assay::Family::hopper, spec.computed_as);
  float sum = accumulator(spec, c);
  for (int i = 0; i < spec.k; i += spec.step) {
    sum = assay::fused_dot_add(arithmetic, spec.computed_as, sum, a + i, b + i, spec.step);
  }
  return std::bit_cast<std::uint32_t>(sum);
}

std::uint32_t bits_under(const StepRules& rules, const InstructionSpec& spec, std::uint32_t c, const float* a,
                         const float* b) {
  return accumulator_bits(spec, model_chain(rules, spec.computed_as, accumulator(spec, c), a, b, spec.k));
}

}  // namespace assay_probe
