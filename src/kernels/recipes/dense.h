// The dense products: FP16 or BF16 weights, and quantized weights that a kernel first dequantizes.
// Measured on an H200 (DESIGN.md): cuBLAS FP16 GEMMs are the in-order chain, at small M split-K by 1, 2 or 3.
// Which split cuBLAS takes is its heuristics' choice and not modelled: split_k is only run when it is asked
// for.
#pragma once

#include "kernels/recipes/recipe.h"

namespace assay {

// One walk over all of K; every output alike.
Schedule chain_schedule(const LinearProblem& problem);

// `splits` equal contiguous ranges of K, partial sums in FP32, added in ascending order: ((p0 + p1) + p2) +
// ... Error: K is not a multiple of 16 * splits (how unequal ranges would be cut is not known).
Result<Schedule> split_k_schedule(const LinearProblem& problem, Index splits);

}  // namespace assay
