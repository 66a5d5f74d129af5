// Causal attention with grouped queries over a cache.
#pragma once

#include "base/index.h"
#include "kernels/compute.h"
#include "kernels/kv_cache.h"

namespace assay {

// Keys are visited in tiles of 64, in order; a tile ends early at the last visible key.
inline constexpr Index kAttentionTile = 64;

// out [rows, heads * D] for queries q [rows, q_stride] at positions first_position + row; query head h reads
// kv head h * kv_heads / heads and sees the keys 0 .. its own position, which the cache must hold.
//
// For one query row and head: m = -infinity, lanes = 0, o [D] = 0. For each tile: scores_j = chain over D of
// q and key j; a = softmax_tile(scores, scale = 1 / sqrt(D)); o = o a; each o_d continues its chain with
// scores_j (now RN(p_j)) and value_j,d over the tile's keys j. Then out = normalize(o). (Online softmax:
// Milakov and Gimelshein 2018; tiles and rounding of p as in FlashAttention-2, Dao 2023.)
void attention(const Compute& compute, const float* q, Index q_stride, Index rows, Index first_position,
               Index heads, const KvCache& cache, float* out);

}  // namespace assay
