// vLLM's kernels for `quantization: awq` (not Marlin).
//
// Weights: w = RN16((q - z) s). FP16 only.
// rows < 256, awq_gemm with 8 splits: split z walks the 32-long chunks z, z + 8, z + 16, ... of K, each chunk two
//   m16n8k16 (Turing: four m16n8k8), FP32 from +0; its sum is rounded to FP16 (p_z, +0 for a split without chunks);
//   then torch's sum over the splits in FP32: (((p0 + p4) + (p1 + p5)) + (p2 + p6)) + (p3 + p7), and RN16.
//   Independent of the device's SM count, of the number of rows and of the row.
// rows >= 256: awq_dequantize and torch.matmul (cublas.h).
//
// Source: vLLM csrc/quantization/awq/gemm_kernels.cu @03d9d8e7 (gemm_forward_4bit_cuda_m16nXk32, awq_gemm) and
// vllm/model_executor/layers/quantization/awq.py (threshold, split_k_iters = pack_factor = 8). What is measured:
// docs/numerics.md, section "Kernels". The kernel's 64-column variant (outputs not a multiple of 128) stores, in that
// source, accumulators that it never computed over its neighbours' columns (`ax1_0_1 < 4`; later sources have N / 32),
// so its outputs have no defined value: refused.
#pragma once

#include "kernels/recipes/recipe.h"

namespace assay {

inline constexpr Index kAwqDequantizeRows = 256;

// Error: what the kernel refuses (capability below 7.5, dtype, group size, shape), or the 64-column variant.
Result<Schedule> awq_schedule(const LinearProblem& problem, const DeviceSpec& device);

}  // namespace assay
