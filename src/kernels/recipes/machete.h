// Machete, vLLM's Hopper kernel of `gptq_marlin`, as a Schedule.
//
// Weights (the caller's part): RN16((q - 8) s), also for one group a column. Zero points (another weight formula) are
//   not modelled.
// The kernel computes out^T = W^T x^T, so that its M is our N (outputs) and its N our M (rows).
// Tile (outputs x rows) and cluster by M, N, K: see machete_tile, whose numbers, 4069 included, are the source's.
// Chain: K in tiles of 64, each four k16 steps of wgmma, one FP32 accumulator a piece of K; no cut inside a block.
// Pieces (CUTLASS stream-K, heuristic mode, splits 1, swizzle 1), with kt = K / 64, T output tiles (outputs rounded up
//   to whole clusters) and W blocks a wave (the SMs, in whole clusters of each 18-SM GPC):
//   * T mod W = 0, kt <= 8 or 2 (T mod W) >= W: no tile is cut;
//   * else the first T - max(T / W - 1, 0) W tiles are shared by U = min(W, kt tiles / 8) units. If U is a multiple of
//     their number: split-K, U / tiles even pieces each, the first kt mod pieces one longer;
//   * else stream-K: clusters of tiles are dealt out in turn to G groups of units; in a group each unit has an equal
//     share of the k-tiles laid end to end (the first ones one more), its ends moved to a tile's edge where a piece
//     would be below 8 k-tiles.
//   Tiles are counted along rows first, unless there are more row tiles than output tiles.
// Sums, FP32: a tile's pieces in ascending k, ((p0 + p1) + p2) + ... (Deterministic mode; the middle ones by atomicAdd
//   in turn, which flushes subnormal FP32 sums to zero: not modelled, it cannot show in FP16). Then RN16.
//
// Sources: vLLM csrc/quantization/machete as copied by ModelCloud/GPTQModel @f4c327a1 gptqmodel_ext/machete
// (generate.py, machete_mm_kernel.cuh); CUTLASS @7107b055 include/cutlass/gemm/kernel/{tile_scheduler_params.h,
// sm90_tile_scheduler_stream_k.hpp} (vLLM pins an older one). Shape rules: vLLM .../utils/machete_utils.py. What is
// measured: docs/numerics.md, section "Kernels".
#pragma once

#include "kernels/recipes/recipe.h"

namespace assay {

struct MacheteTile {
  Index outputs = 0;
  Index rows = 0;
  Index cluster = 0;  // blocks side by side along outputs that work in step
  bool operator==(const MacheteTile&) const = default;
};

MacheteTile machete_tile(Index rows, Index outputs, Index inputs);

// Error: a problem or a device that vLLM's Machete refuses, or zero points.
Result<Schedule> machete_schedule(const LinearProblem& problem, const DeviceSpec& device);

}  // namespace assay
