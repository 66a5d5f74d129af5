// Dense products as cuBLAS runs them on Hopper: the in-order chain, or contiguous split-K at few rows.
//
// A product of S splits cuts K in tiles of 64, ceil(tiles / S) tiles a split (the last ones shorter), each split an
//   in-order chain from +0 in FP32; partials are added in FP32 in ascending order and rounded once.
// S is cuBLASLt's own choice. It is data here (cublas_splits.inc): its first heuristic for every number of rows up to
//   8192, for the products of Qwen3-8B and of the tiny models, on an H200 (132 SMs) with cuBLASLt 13.1.0 and 32 MiB of
//   workspace. 240 products were run, all of them with the bits of this recipe (docs/numerics.md). Other cuBLAS
//   versions may choose other splits; `kernel: split_k(n)` states one.
// A product that the table does not have, or a device other than Hopper with 132 SMs, has no measured choice: it runs
//   the chain, and split_evidence() says so for the record.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "kernels/recipes/recipe.h"

namespace assay {

// How W lies in memory: [outputs, inputs] as in torch's linear layers, or [inputs, outputs] as dequantized AWQ.
enum class WeightLayout : std::uint8_t { transposed, plain };

// The splits that cuBLAS was seen to choose; nothing where it was not looked at.
std::optional<Index> measured_splits(const LinearProblem& problem, const DeviceSpec& device,
                                     WeightLayout layout);

// Whether the device is one whose splits are in the table.
bool has_measured_splits(const DeviceSpec& device);

// Over the products of a model, in passes of at most `most_rows` rows: "measured" if the table has all of them for
// this very device, "measured on h200" for another Hopper with as many SMs, "partly measured", or "not measured".
std::string_view split_evidence(std::span<const LinearProblem> problems, const DeviceSpec& device,
                                WeightLayout layout, Index most_rows);

// Whether the splits depend on the rows.
bool splits_vary(const LinearProblem& problem, const DeviceSpec& device, WeightLayout layout);

Schedule cublas_schedule(const LinearProblem& problem, const DeviceSpec& device, WeightLayout layout);

}  // namespace assay
