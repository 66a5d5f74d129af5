// The matrix instructions that the probe runs: instruction.shape.accumulator.operand.
#pragma once

#include <cstdint>

namespace assay_probe {

enum class Instruction : std::uint8_t {
  mma_k16_f32_f16,
  mma_k16_f32_bf16,
  mma_k8_f32_f16,
  mma_k8_f32_bf16,
  mma_k16_f16_f16,
  mma_k8_f16_f16,
  mma_k32_f32_e4m3,
  wgmma_rs_f32_f16,  // rs: A in registers, B in shared memory
  wgmma_rs_f32_bf16,
  wgmma_rs_f16_f16,
  wgmma_rs_f32_e4m3,
  wgmma_rs_f32_e5m2,
  wgmma_ss_f32_f16,  // ss: both in shared memory
  wgmma_ss_f32_bf16,
  wgmma_ss_f32_e4m3,
};

}  // namespace assay_probe
