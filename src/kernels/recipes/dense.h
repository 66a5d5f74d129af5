// The dense products: FP16 or BF16 weights, and quantized weights that a kernel first dequantizes.
#pragma once

#include "kernels/recipes/recipe.h"

namespace assay {

// One walk over all of K; every output alike.
Schedule chain_schedule(const LinearProblem& problem);

// `splits` contiguous ranges of ceil(tiles / splits) tiles of 64 inputs, the last ones shorter; partial sums
// in FP32, added in ascending order: ((p0 + p1) + p2) and so on (cuBLAS's rule, kernels/recipes/cublas.h).
// Error: a split that would be left without a tile.
Result<Schedule> split_k_schedule(const LinearProblem& problem, Index splits);

}  // namespace assay
