// The chains over the values of one row and kv head, for kSlice of D. The warps of a block have different work; they
// meet once for each chunk of 8 tiles:
//
//   weight warps  P, p and a of chunk i from the scores (a warp has one tile of it); the values of chunk i + 1 are ordered
//   chain warps   o = o a, then four steps of 16 keys, for each tile of chunk i - 1: V^T as A, P as B
//   lane warps    the softmax lanes over chunk i - 1
#pragma once

#include <algorithm>

#include "kernels/cuda/exp_of_nonpositive.h"
#include "kernels/cuda/few_rows_copy.cuh"
#include "kernels/cuda/few_rows_scores.cuh"
#include "kernels/cuda/mma_sync.cuh"

namespace assay {

inline constexpr int kLanes = 16;
inline constexpr int kWeightWarps = kChunkTiles;
inline constexpr int kChainWarps = kSlice / 16;
static_assert(kWeightWarps == 8 && kChainWarps == 2);  // WarpRole
inline constexpr int kPStride = kChunkKeys + 8;        // rows of ldmatrix lie in different banks
inline constexpr int kWeightStride = kChunkKeys + 16;  // so do the lanes of two heads

// kHeads: what the query heads of a kv head are rounded up to.
template <int kHeads>
struct ValuesMemory {
  static constexpr int kLaneWarps = (kHeads * kLanes + 31) / 32;
  static constexpr int kThreads = 32 * (kWeightWarps + kChainWarps + kLaneWarps);

  ValueStages stages;  // first, as the copy engine asks for 512-byte alignment
  alignas(16) std::uint16_t p[2][kMostGroupHeads * kPStride];
  alignas(16) float weights[2][kHeads * kWeightStride];        // p before its rounding
  alignas(16) float rescale[2][kChunkTiles][kMostGroupHeads];  // a
  float lanes[kMostGroupHeads][kLanes];
  unsigned ready[2];  // groups of a chunk whose scores were there a round ago
};

// A block has one of two works.
template <int kD, int kHeads>
struct FewRowsMemory {
  static constexpr int kThreads = ValuesMemory<kHeads>::kThreads;
  static constexpr int kBytes =
      static_cast<int>(std::max(sizeof(ValuesMemory<kHeads>), sizeof(KeyStage<kD>) * (kThreads / 32)));
};

// Four 8 x 8 matrices, transposed.
__device__ __forceinline__ void ldmatrix_x4_transposed(std::uint32_t (&r)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}

// A warp's work by its number. Every fourth warp shares a scheduler: the chains, which wait for each instruction, share
// theirs with few others.
struct WarpRole {
  int chain = -1;   // number among the chain warps, or -1
  int weight = -1;  // among the weight warps
  int lanes = -1;   // among the lane warps

  __device__ explicit WarpRole(int warp) {
    if (warp < 2) {
      chain = warp;
    } else if (warp < 8) {
      weight = warp - 2;
    } else if (warp == 10 || warp == 11) {
      weight = warp - 4;
    } else {
      lanes = warp < 10 ? warp - 8 : warp - 10;
    }
  }
};

struct ValuesWork {
  DecodeRow row;
  int tiles;            // of the keys this row sees
  const float* scores;  // of the kv head's chunk 0
  const float* maxima;
  const unsigned* ready;

  // Groups of 16 keys in a chunk that this row sees.
  __device__ unsigned groups(int chunk) const {
    return static_cast<unsigned>(min(kChunkGroups, row.position / kGroupKeys + 1 - chunk * kChunkGroups));
  }
};

// L2 is where blocks see each other's writes.
__device__ __forceinline__ unsigned ready_groups(const ValuesWork& work, int chunk) {
  unsigned groups = 0;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(groups) : "l"(work.ready + chunk) : "memory");
  return groups;
}

__device__ __forceinline__ void wait_for_scores(const ValuesWork& work, int chunk) {
  unsigned groups = 0;
  do {
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(groups) : "l"(work.ready + chunk) : "memory");
  } while (groups < work.groups(chunk));
}

// What one weight warp knows of its chunk before it is computed. Of what is not there (heads beyond the group, keys
// beyond the position) it is some number, and so is what comes of it, in columns and tiles that nobody reads.
template <int kHeads>
struct ScoresAhead {
  float2 scores[kHeads];            // of keys 2 lane and 2 lane + 1 of the warp's tile
  float4 maxima[(kHeads + 3) / 4];  // of the groups of tile lane % 8, head lane / 8 (and 4 further)

  __device__ void load(const FewRowsCall& call, const ValuesWork& work, int chunk, int warp, int lane) {
    const float* from = work.scores + chunk * call.group_heads * kChunkKeys + warp * kTileKeys + 2 * lane;
#pragma unroll
    for (int h = 0; h < kHeads; ++h)
      scores[h] = __ldcg(reinterpret_cast<const float2*>(from + h * kChunkKeys));
    const float* groups = work.maxima + chunk * call.group_heads * kChunkGroups + lane * kTileGroups;
#pragma unroll
    for (int i = 0; i < (kHeads + 3) / 4; ++i)
      maxima[i] = __ldcg(reinterpret_cast<const float4*>(groups + i * 4 * kChunkGroups));
  }
};

// portable_exp of a difference to a maximum: never positive, but a NaN stays one.
__device__ __forceinline__ float exp_below_maximum(float x) {
  const float result = exp_of_nonpositive(x);
  return x != x ? x : result;
}

// One weight warp, its tile of the chunk. `running`: the maxima of all tiles before the chunk, as ScoresAhead has them.
// kWhole: the row sees all of the chunk. First all shuffles, then all exponentials, then all stores: what is independent
// lies side by side.
template <class Activation, bool kWhole, int kHeads>
__device__ __forceinline__ void prepare_weights(const ValuesWork& work, const ScoresAhead<kHeads>& scores,
                                                float (&running)[(kHeads + 3) / 4], int chunk, int warp,
                                                int lane, ValuesMemory<kHeads>& memory) {
  constexpr int kFours = (kHeads + 3) / 4;
  float rescale[kFours];
  float max[kHeads];
  const int last_group = work.row.position / kGroupKeys - (chunk * kChunkTiles + lane % 8) * kTileGroups;
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
    const float4 groups = scores.maxima[i];
    const float second = kWhole || last_group >= 1 ? groups.y : -INFINITY;
    const float third = kWhole || last_group >= 2 ? groups.z : -INFINITY;
    const float fourth = kWhole || last_group >= 3 ? groups.w : -INFINITY;
    float prefix = fmaxf(fmaxf(fmaxf(running[i], groups.x), second), fmaxf(third, fourth));
#pragma unroll
    for (int width = 1; width < 8; width *= 2)
      prefix = fmaxf(prefix, __shfl_up_sync(~0U, prefix, static_cast<unsigned>(width), 8));
    const float before_here = __shfl_sync(~0U, prefix, warp - 1, 8);
    const float after = __shfl_sync(~0U, prefix, warp, 8);
#pragma unroll
    for (int h = 4 * i; h < min(4 * i + 4, kHeads); ++h) max[h] = __shfl_sync(~0U, prefix, h % 4 * 8 + warp);
    rescale[i] = (warp == 0 ? running[i] : before_here) - after;
    running[i] = __shfl_sync(~0U, prefix, 7, 8);
  }
  float2 x[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h)
    x[h] = make_float2(scores.scores[h].x - max[h], scores.scores[h].y - max[h]);
#pragma unroll
  for (float2& pair : x) pair = make_float2(exp_below_maximum(pair.x), exp_below_maximum(pair.y));
#pragma unroll
  for (float& a : rescale) a = exp_below_maximum(a);
  if (!kWhole) {
    const int last = work.row.position - (chunk * kChunkTiles + warp) * kTileKeys - 2 * lane;
#pragma unroll
    for (float2& pair : x) pair = make_float2(last >= 0 ? pair.x : 0.0F, last >= 1 ? pair.y : 0.0F);
  }
  float* weights = memory.weights[chunk % 2] + warp * kTileKeys + 2 * lane;
  std::uint16_t* p = memory.p[chunk % 2] + warp * kTileKeys + 2 * lane;
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    *reinterpret_cast<float2*>(weights + h * kWeightStride) = x[h];
    *reinterpret_cast<std::uint32_t*>(p + h * kPStride) = Activation::encode_pair(x[h].x, x[h].y);
  }
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
    if (lane % 8 == 0) memory.rescale[chunk % 2][warp][lane / 8 + 4 * i] = rescale[i];
  }
}

// Where a lane of a chain warp reads the operands of a chunk's tiles.
struct ChunkOperands {
  std::uint32_t values;
  std::uint32_t p;
  const float* rescale;

  template <int kHeads>
  __device__ __forceinline__ ChunkOperands(const ValuesMemory<kHeads>& memory, int chunk, int warp, int lane)
      : values(shared_address(memory.stages.values[chunk % kStages]) +
               ValueStages::offset(lane / 16 * 8 + lane % 8, 2 * warp + lane / 8 % 2)),
        p(shared_address(memory.p[chunk % 2]) +
          static_cast<std::uint32_t>(lane % 8 * kPStride + lane / 8 * 8) * 2),
        rescale(&memory.rescale[chunk % 2][0][2 * (lane % 4)]) {}
};

// Those of one tile's four steps.
struct TileOperands {
  std::uint32_t v[4][4];
  std::uint32_t p[2][4];
  float2 rescale;

  __device__ __forceinline__ void load(const ChunkOperands& from, int tile) {
    const auto key = static_cast<std::uint32_t>(tile * kTileKeys);
#pragma unroll
    for (std::uint32_t s = 0; s < 4; ++s)
      ldmatrix_x4_transposed(v[s], from.values + key * (kSlice * 2) + s * (16 * kSlice * 2));
#pragma unroll
    for (std::uint32_t s = 0; s < 2; ++s) ldmatrix_x4(p[s], from.p + key * 2 + s * 64);
    rescale = *reinterpret_cast<const float2*>(from.rescale + tile * kMostGroupHeads);
  }
};

template <class Activation>
__device__ __forceinline__ void step_chains(float4& o, const TileOperands& operands, int step) {
  mma_16x8x16<Activation>(o, operands.v[step], operands.p[step / 2][step % 2 * 2],
                          operands.p[step / 2][step % 2 * 2 + 1]);
}

// One tile; the operands of `next_tile` are read behind its first step, which waits for nothing but those of this one.
template <class Activation>
__device__ __forceinline__ void continue_chains(float4& o, const TileOperands& operands, TileOperands& next,
                                                const ChunkOperands& from, int next_tile) {
  o.x *= operands.rescale.x;
  o.y *= operands.rescale.y;
  o.z *= operands.rescale.x;
  o.w *= operands.rescale.y;
  step_chains<Activation>(o, operands, 0);
  next.load(from, next_tile);
#pragma unroll
  for (int s = 1; s < 4; ++s) step_chains<Activation>(o, operands, s);
}

// One chain warp over the tiles of a chunk; o: D of the warp's 16 by heads. The operands of a tile are read while the one
// before is at work (of the tile after the last, in vain).
template <class Activation, int kHeads>
__device__ __forceinline__ void run_chains(float4& o, const ValuesMemory<kHeads>& memory, int chunk,
                                           int tiles, int warp, int lane) {
  const ChunkOperands from(memory, chunk, warp, lane);
  TileOperands even;
  TileOperands odd;
  even.load(from, 0);
#pragma unroll 1
  for (int tile = 0; tile < tiles; tile += 2) {
    continue_chains<Activation>(o, even, odd, from, tile + 1);
    if (tile + 1 == tiles) return;
    continue_chains<Activation>(o, odd, even, from, (tile + 2) % kChunkTiles);
  }
}

// One softmax lane of one head over the tiles of a chunk.
template <int kHeads>
__device__ __forceinline__ void add_lanes(float& sum, const ValuesMemory<kHeads>& memory, int chunk,
                                          int tiles, int softmax_lane) {
  const int head = softmax_lane / kLanes;
  const float* weights = memory.weights[chunk % 2] + head * kWeightStride + softmax_lane % kLanes;
#pragma unroll 4
  for (int tile = 0; tile < tiles; ++tile) {
    sum *= memory.rescale[chunk % 2][tile][head];
#pragma unroll
    for (int j = 0; j < kTileKeys / kLanes; ++j) sum += weights[tile * kTileKeys + j * kLanes];
  }
}

// 16 of D by the heads, of the row and chain warp.
template <class Activation, int kHeads>
__device__ __forceinline__ void store_normalized(const float4& o, const ValuesMemory<kHeads>& memory,
                                                 int group_heads, int d, int lane, std::uint16_t* out) {
  const float sums[2][2] = {{o.x, o.z}, {o.y, o.w}};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int head = 2 * (lane % 4) + i;
    if (head >= group_heads) continue;
    float lanes[kLanes];
#pragma unroll
    for (int l = 0; l < kLanes; ++l) lanes[l] = memory.lanes[head][l];
#pragma unroll
    for (int width = kLanes / 2; width > 0; width /= 2) {
#pragma unroll
      for (int l = 0; l < kLanes / 2; ++l) {
        if (l < width) lanes[l] += lanes[l + width];
      }
    }
    out[head * d + lane / 4] = Activation::encode(sums[i][0] / lanes[0]);
    out[head * d + lane / 4 + 8] = Activation::encode(sums[i][1] / lanes[0]);
  }
}

template <int kHeads>
__device__ __forceinline__ void clear_weights(ValuesMemory<kHeads>& memory) {
  const int threads = static_cast<int>(blockDim.x);
  for (int i = static_cast<int>(threadIdx.x); i < kMostGroupHeads * kPStride; i += threads)
    reinterpret_cast<std::uint32_t*>(memory.p)[i] = 0;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * kChunkTiles * kMostGroupHeads; i += threads)
    (&memory.rescale[0][0][0])[i] = 0.0F;
  if (threadIdx.x < 2) memory.ready[threadIdx.x] = 0;
}

// Block `block` of those that run chains: slices of D, kv heads, rows.
template <class Activation, int kD, int kHeads>
__device__ __forceinline__ void sum_values(const FewRowsCall& call, const CUtensorMap& map, int block,
                                           ValuesMemory<kHeads>& memory) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int first_d = block % (kD / kSlice) * kSlice;
  const int kv_head = block / (kD / kSlice) % call.kv_heads;
  const int row = block / (kD / kSlice) / call.kv_heads;
  const std::int64_t first = std::int64_t{row} * call.heads + kv_head * call.group_heads;
  const DecodeRow decode = call.decode_rows[row];
  const ValuesWork work = {decode, decode.position / kTileKeys + 1,
                           call.scores + first * call.chunks * kChunkKeys,
                           call.maxima + first * call.chunks * kChunkGroups,
                           call.ready + (std::int64_t{row} * call.kv_heads + kv_head) * call.chunks};
  const std::uint16_t* values = call.values + kv_head * call.capacity * kD + first_d;
  const int chunks = (work.tiles + kChunkTiles - 1) / kChunkTiles;
  const WarpRole role(static_cast<int>(threadIdx.x) / 32);
  const bool weighs = role.weight >= 0;
  const bool chains = role.chain >= 0;
  const int softmax_lane = role.lanes >= 0 ? 32 * role.lanes + lane : -1;
  const bool adds_lanes = softmax_lane >= 0 && softmax_lane < call.group_heads * kLanes;

  clear_weights(memory);
  ScoresAhead<kHeads> ahead;
  bool loaded_ahead = false;
  float running[(kHeads + 3) / 4];
#pragma unroll
  for (float& m : running) m = -INFINITY;
  float4 o = {};
  float sum = 0.0F;
  if (softmax_lane == 0) init_stages(memory.stages);
  // The values of all positions but the row's last are older than the kernel before.
  const bool early = decode.position >= kChunkKeys;
  if (!early) wait_for_earlier_kernels();
  if (softmax_lane == 0) order_bulk(memory.stages, map, decode, 0, first_d, kv_head);
  if (weighs) {
    order_pieces<kD, 32 * kWeightWarps>(memory.stages, values, decode, 0, 32 * role.weight + lane);
    commit_copies();
  }
  if (early) wait_for_earlier_kernels();
  __syncthreads();

#pragma unroll 1
  for (int i = 0; i <= chunks; ++i) {
    if (softmax_lane == 0 && i + 1 < chunks) order_bulk(memory.stages, map, decode, i + 1, first_d, kv_head);
    // Asked for by one thread that has time: a weight warp would wait for it with its next scores.
    const bool asks = softmax_lane == 0 && i + 2 < chunks;
    const unsigned after_next = asks ? ready_groups(work, i + 2) : 0;
    if (weighs) {
      if (i + 1 < chunks)
        order_pieces<kD, 32 * kWeightWarps>(memory.stages, values, decode, i + 1, 32 * role.weight + lane);
      commit_copies();
      if (i < chunks) {
        if (!loaded_ahead) {
          wait_for_scores(work, i);
          ahead.load(call, work, i, role.weight, lane);
        }
        const ScoresAhead<kHeads> now = ahead;
        loaded_ahead = i + 1 < chunks && memory.ready[(i + 1) % 2] >= work.groups(i + 1);
        if (loaded_ahead) ahead.load(call, work, i + 1, role.weight, lane);
        if (work.row.position >= (i + 1) * kChunkKeys - 1) {
          prepare_weights<Activation, true>(work, now, running, i, role.weight, lane, memory);
        } else {
          prepare_weights<Activation, false>(work, now, running, i, role.weight, lane, memory);
        }
      }
      wait_for_copies<1>();
    } else if (i > 0) {
      const int tiles = min(kChunkTiles, work.tiles - (i - 1) * kChunkTiles);
      if (chains) {
        wait_for_bulk(memory.stages, i - 1);
        run_chains<Activation>(o, memory, i - 1, tiles, role.chain, lane);
      }
      if (adds_lanes) add_lanes(sum, memory, i - 1, tiles, softmax_lane);
    }
    if (asks) memory.ready[i % 2] = after_next;
    __syncthreads();
  }

  if (adds_lanes) memory.lanes[softmax_lane / kLanes][softmax_lane % kLanes] = sum;
  __syncthreads();
  if (chains) {
    store_normalized<Activation>(o, memory, call.group_heads, kD, lane,
                                 call.out + first * kD + first_d + 16 * role.chain);
  }
}

}  // namespace assay
