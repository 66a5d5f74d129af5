// Marlin, vLLM's INT4 kernel of `awq_marlin`, and of `gptq_marlin` on every GPU but Hopper, as a Schedule.
//
// Weights (the caller's part): GPTQ RN16((q - 8) s), AWQ RN16((q - z) s), in the activation type. One group a column
//   (group_size = inputs): w = q - 8 or q - z exactly, and the scale multiplies the rounded result: RN16(RN16(sum) s).
// Launches: rows are taken in chunks of 64 p rows, p <= 16 (128 if N <= 4096); what is left below 64 is a chunk of
//   its own. A chunk of m rows runs in row tiles of 16 b rows, b = min(ceil(m / 16), 4); m <= 8 takes an 8-row
//   variant with the same arithmetic.
// Tile (k x n, threads): the first of 128x128/256 (64x256/256 if b > 1), 64x128/128, 128x64/128 whose k and n divide
//   K and N and whose shared memory fits the device. If none fits, b's limit drops by one (for the rest of the rows
//   too) and the chunk is cut anew. Generation B then takes 128x64/128 instead if four times the chunk's number of
//   output tiles is at most the SM count.
// Stripes: output tiles of a chunk, row tile by row tile, each ceil(K / k) k-tiles deep, laid end to end; SM s takes
//   [s i, (s + 1) i), i = ceil(k-tiles / SMs), rounded up to whole groups where a group spans k-tiles. So a column
//   is cut into slices at multiples of i. Generation B leaves all but the last T mod SMs (plus SMs if three times
//   that is at most SMs) of its T > SMs output tiles uncut and stripes only those.
// Slice: R = 2 or 4 warp rows, an FP32 accumulator each from +0. In a k-tile of 2 R blocks of 16, warp row r takes
//   blocks r, r + R (generation A) or 2 r, 2 r + 1 (generation B).
// Sums, FP32: in a slice c0 + c1, or c0 + (c1 + (c3 + c2)); over a column's slices S - 1, ..., 1, 0 (largest k first)
//   t = B_i + t: vLLM's default use_fp32_reduce, without atomics (VLLM_MARLIN_USE_ATOMIC_ADD=0). Then RN16.
//
// Sources. Generation A (vLLM to 0.11): gptq_marlin.cu, marlin_template.h as copied by ModelCloud/GPTQModel @1f6dd5c74
// gptqmodel_ext/marlin. Generation B (after vLLM PR #24722): vLLM csrc/quantization/marlin/marlin.cu @17c72768,
// csrc/quantization/gptq_marlin/marlin_template.h @04aa528e. Shape rules: vLLM .../utils/marlin_utils.py. What is
// measured of both: docs/numerics.md, section "Kernels".
#pragma once

#include <vector>

#include "kernels/recipes/recipe.h"

namespace assay {

enum class MarlinGeneration : std::uint8_t { a, b };

// What one block computes at a time.
struct MarlinTile {
  Index k = 0;
  Index n = 0;
  Index threads = 0;
  Index warp_rows() const { return threads / 32 / (n / 64); }
  bool operator==(const MarlinTile&) const = default;
};

// One kernel launch: rows [row, row + rows) in tiles of `tile_rows`.
struct MarlinLaunch {
  Index row = 0;
  Index rows = 0;
  Index tile_rows = 0;
  MarlinTile tile;
};

// Error: a problem or a device that vLLM's Marlin refuses, or (Turing) whose arithmetic is not modelled.
Result<std::vector<MarlinLaunch>> marlin_launches(const LinearProblem& problem, const DeviceSpec& device,
                                                  MarlinGeneration generation);
Result<Schedule> marlin_schedule(const LinearProblem& problem, const DeviceSpec& device,
                                 MarlinGeneration generation);

}  // namespace assay
