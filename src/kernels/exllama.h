// vLLM's kernel for `quantization: gptq` up to 50 rows: exllama's gemm_half_q_half_gptq_4bit. More rows run
// recipes/half_gemm.h.
//
// For each output, in blocks of 128 k (the last may be shorter):
//   per 8 k: two FP16 lanes from +0, lane 0 the even k, lane 1 the odd k; lane = RN16((q - z) x_k + lane),
//   one rounding each (HFMA2, subnormals kept); dot = lane 0 + lane 1 in FP32; sum = fma(dot, s, sum) in
//   FP32, from +0, s the FP16 scale; the block's result is RN16(sum).
// The blocks' results are added to an FP16 output of +0 by atomic additions, RN16 each, in the order in which
// the thread blocks happen to arrive. That order is chance on a GPU; here it is a permutation drawn from
// `noise`: one for each 8 rows of the pass and each 512 columns (which share a thread block), by SplitMix64
// and Fisher-Yates. Equal noise gives equal bits; two blocks (K <= 256) commute and leave nothing to chance.
//
// With desc_act, rows of W are sorted by group and x is permuted alike (IntegerMatrix::input_order); the sort
// is taken to be stable, which torch.argsort does not promise.
//
// Not modelled: vLLM 0.5's kernel zeroes its output without a barrier and can lose an early block's addition;
// threads of one thread block add at slightly different times.
//
// Source: vLLM csrc/quantization/gptq/{q_gemm.cu, qdq_4.cuh}, as of 2024-07. Measured: the blocks' results,
// on an H200: 449,536 of 449,536 equal (docs/numerics.md). That HFMA2 rounds once is the PTX ISA's word
// (fma.rn.f16x2): sums that FP32 does not hold did not occur among them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "kernels/compute.h"
#include "kernels/integer_matrix.h"
#include "kernels/recipes/recipe.h"

namespace assay {

inline constexpr Index kExllamaMostRows = 50;
inline constexpr Index kExllamaBlock = 128;    // k of a thread block
inline constexpr Index kExllamaRows = 8;       // rows of a thread block
inline constexpr Index kExllamaColumns = 512;  // columns of a thread block

// Error: what the kernel refuses or computes wrongly: activations other than FP16, N not a multiple of 8, K
// not of 32, groups that its loop over 128 k misses.
Result<void> check_exllama(const LinearProblem& problem);

// The order in which the k blocks of a thread block's outputs are added.
std::vector<Index> exllama_block_order(std::uint64_t noise, Index row_tile, Index column_block, Index blocks);

// Rows `rows` of a pass of at most kExllamaMostRows rows: `x` [count, K], in the order of w's rows, and `out`
// [count, N] point to the first of them. Which family computes makes no difference.
void exllama_product(const Compute& compute, RowRange rows, const float* x, const IntegerMatrix& w,
                     std::uint64_t noise, float* out);

}  // namespace assay
