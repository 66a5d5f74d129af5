// cublasHgemm: FP16 operands, FP16 accumulators (CUBLAS_COMPUTE_16F, default math). exllama runs it above
// kExllamaMostRows rows, over W = RN16((q - z) s) with rows in the file's order.
//
// Each walk is a chain of tensor-core steps whose accumulator is FP16 after every step
// (emulator/arithmetic.h). K is cut into `splits` equal contiguous walks; their results are added in FP16:
// ((p0 + p1) + p2) + ..., or from the last walk down.
//
// Measured: the order, on an H200 with cuBLAS 13.1, 32 MiB of workspace: 73,728 outputs of 18 products, all
// equal (docs/numerics.md). Which split cuBLAS takes is its heuristics' choice. It is a table here, measured
// at every M from 51 to 8192 on an H100 and at 2,084 of them on an H200 (no difference), for the layers of
// tiny-qwen3 and of Qwen3-8B. Approximate, and said so by half_gemm_evidence:
//   - row counts at which cuBLAS treats some tiles of the output otherwise than the rest (stream-K): the table
//     leaves them out, one chain stands in;
//   - shapes and devices that are not in the table: one chain;
//   - other cuBLAS versions, and PyTorch's handle, whose workspace was not looked at.
// Families before Hopper: steps published by MMA-Sim, not measured here.
#pragma once

#include <span>
#include <string_view>

#include "kernels/recipes/recipe.h"

namespace assay {

struct HalfGemmSplit {
  Index splits = 1;
  bool descending = false;  // ((p[n-1] + p[n-2]) + ...) + p0
  bool measured = false;    // false: the approximation, one chain
  bool operator==(const HalfGemmSplit&) const = default;
};

HalfGemmSplit half_gemm_split(const LinearProblem& problem, const DeviceSpec& device);

Schedule half_gemm_schedule(const LinearProblem& problem, const DeviceSpec& device);

// Over all row counts from kExllamaMostRows + 1 to 8192 of these layers: "measured", "partly measured" (also where
// passes have more than 8192 rows) or "not measured".
std::string_view half_gemm_evidence(std::span<const LinearProblem> layers, const DeviceSpec& device,
                                    Index most_rows);

}  // namespace assay
