// What the parts of attention_few_rows.cu share. One kernel splits the work of a decode step where its order allows it:
//
// Scores of all keys are independent: blocks of few_rows_scores.cuh compute them, first keys first, and the largest of
// each 16 keys. The sums over the values are not: each is one chain over all keys. Blocks of few_rows_values.cuh run
// these chains, 16 of D and 8 query heads a warp, as far as scores are ready. What they need of the softmax (P, and the
// factor a of each tile) follows from the scores and the running maximum, so that other warps of the block prepare it
// ahead of the chains.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention.h"

namespace assay {

inline constexpr int kTileKeys = 64;
inline constexpr int kChunkTiles =
    8;  // what is ready, and what the warps of a block exchange, counts in these
inline constexpr int kChunkKeys = kChunkTiles * kTileKeys;
inline constexpr int kGroupKeys = 16;
inline constexpr int kTileGroups = kTileKeys / kGroupKeys;
inline constexpr int kChunkGroups = kChunkKeys / kGroupKeys;
inline constexpr int kMostGroupHeads = 8;  // query heads of a kv head: the columns of an mma

// Blocks take a number each in the order in which they start, and their work by that number, so that those who wait for
// scores wait for blocks that run. All zero between launches.
struct FewRowsProgress {
  unsigned started;  // modulo the grid: launches overlap
  unsigned finished;
};

struct FewRowsCall {
  const std::uint16_t* q;
  const std::uint16_t* keys;
  const std::uint16_t* values;
  std::uint16_t* out;
  const DecodeRow* decode_rows;
  FewRowsProgress* progress;
  unsigned*
      ready;      // [rows, kv heads, chunks]: groups of 16 keys whose scores are there; zero between launches
  float* maxima;  // [rows, kv heads, chunks, query heads, kChunkGroups]
  float* scores;  // [rows, kv heads, chunks, query heads, kChunkKeys], scaled; of the keys that a row sees
  std::int64_t q_stride;
  std::int64_t capacity;
  int rows, heads, kv_heads;
  int group_heads;   // heads / kv_heads
  int chunks;        // of most_positions
  int score_blocks;  // the others run chains
  float scale;
};

__device__ inline std::int64_t slot_of(const DecodeRow& row, int key) {
  return key < row.shared ? key : key + row.shift;
}

}  // namespace assay
