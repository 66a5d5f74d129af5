// The scores of 16 keys for the query heads of one kv head, by one warp, one row after another.
//
// The keys are the rows of the mma, the query heads its columns. Within a step of 16 the order of k is free: thread t of
// four takes k = 4 t .. 4 t + 3 for both operands.
#pragma once

#include "kernels/cuda/attention_few_rows.cuh"
#include "kernels/cuda/early_launch.cuh"
#include "kernels/cuda/few_rows_copy.cuh"
#include "kernels/cuda/mma_sync.cuh"

namespace assay {

// The keys of a warp's item: 16-byte pieces of a key's row are at piece ^ 2 (key % 4), so that eight bytes of
// four keys lie in different banks.
template <int kD>
struct KeyStage {
  std::uint16_t keys[kGroupKeys * kD];

  static __device__ __forceinline__ std::uint32_t offset(int key, int piece) {
    return static_cast<std::uint32_t>(key * kD + 8 * (piece ^ (2 * (key % 4)))) * 2;
  }
};

// The query heads of one row and kv head, as B of the mma.
template <int kD>
struct Queries {
  uint2 steps[kD / 16];
  int row = -1;
  int kv_head = -1;

  __device__ __forceinline__ void load(const FewRowsCall& call, int of_row, int of_kv_head, int lane) {
    if (row == of_row && kv_head == of_kv_head) return;
    row = of_row;
    kv_head = of_kv_head;
    const int head = lane / 4;
    const std::uint16_t* from =
        call.q + row * call.q_stride + (kv_head * call.group_heads + head) * kD + 4 * (lane % 4);
#pragma unroll
    for (int s = 0; s < kD / 16; ++s) {
      steps[s] =
          head < call.group_heads ? __ldcg(reinterpret_cast<const uint2*>(from + 16 * s)) : make_uint2(0, 0);
    }
  }
};

// The group of an item (a group of keys and a kv head) and where a lane reads and writes.
struct ScoreItem {
  int group, chunk, kv_head;
  int first_key;

  __device__ __forceinline__ ScoreItem(const FewRowsCall& call, int item, int lane)
      : group(item / call.kv_heads),
        chunk(group / kChunkGroups),
        kv_head(item % call.kv_heads),
        first_key(group * kGroupKeys + lane / 4) {}

  // Of the row, kv head and chunk.
  __device__ __forceinline__ std::int64_t index(const FewRowsCall& call, int row) const {
    return (std::int64_t{row} * call.kv_heads + kv_head) * call.chunks + chunk;
  }
};

// Orders the 16 keys of an item as the row has them, those that it does not see as zeros.
template <int kD>
__device__ __forceinline__ void order_keys(const FewRowsCall& call, const ScoreItem& item,
                                           const DecodeRow& row, std::uint32_t to, int lane) {
  constexpr int kPieces = kD / 8;
  const std::uint16_t* keys = call.keys + item.kv_head * call.capacity * kD;
  const int piece = lane % kPieces;
#pragma unroll
  for (int i = 0; i < kGroupKeys; i += 32 / kPieces) {
    const int key = i + lane / kPieces;
    const int position = item.group * kGroupKeys + key;
    const bool seen = position <= row.position;
    const std::int64_t slot = seen ? slot_of(row, position) : 0;
    copy_async_16(to + KeyStage<kD>::offset(key, piece), keys + slot * kD + 8 * piece, seen ? 16 : 0);
  }
}

template <class Activation, int kD>
__device__ __forceinline__ void score_row(const FewRowsCall& call, const ScoreItem& item, int row,
                                          const DecodeRow& decode, std::uint32_t keys,
                                          const Queries<kD>& queries, int lane) {
  constexpr int kSteps = kD / 16;
  float4 sum = {};
  const int key = lane / 4;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const std::uint32_t at =
        keys + KeyStage<kD>::offset(key, 2 * s + lane % 4 / 2) + static_cast<std::uint32_t>(lane % 2 * 8);
    const uint2 upper = load_pair(at);
    const uint2 lower = load_pair(at + 8 * kD * 2);  // 8 keys further: the same place in its row
    const std::uint32_t a[4] = {upper.x, lower.x, upper.y, lower.y};
    mma_16x8x16<Activation>(sum, a, queries.steps[s].x, queries.steps[s].y);
  }
  const float scores[2][2] = {{sum.x * call.scale, sum.z * call.scale},
                              {sum.y * call.scale, sum.w * call.scale}};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int head = 2 * (lane % 4) + i;
    const std::int64_t at = item.index(call, row) * call.group_heads + head;
    float largest = -INFINITY;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int k = item.first_key + 8 * half;
      const bool seen = k <= decode.position;
      largest = fmaxf(largest, seen ? scores[i][half] : -INFINITY);
      if (seen && head < call.group_heads) call.scores[at * kChunkKeys + k % kChunkKeys] = scores[i][half];
    }
#pragma unroll
    for (int width = 4; width < 32; width *= 2)
      largest = fmaxf(largest, __shfl_xor_sync(~0U, largest, width));
    if (lane < 4 && head < call.group_heads)
      call.maxima[at * kChunkGroups + item.group % kChunkGroups] = largest;
  }
}

// The first row that sees the item's first key: its keys are ordered ahead.
__device__ __forceinline__ int first_row(const FewRowsCall& call, const ScoreItem& item) {
  int row = 0;
  while (call.decode_rows[row].position < item.group * kGroupKeys) ++row;
  return row;
}

// Whether two rows have the same keys in an item.
__device__ __forceinline__ bool same_keys(const ScoreItem& item, const DecodeRow& a, const DecodeRow& b) {
  const int last = item.group * kGroupKeys + kGroupKeys - 1;
  if (min(a.position, last) != min(b.position, last)) return false;
  return (last < a.shared && last < b.shared) || (a.shared == b.shared && a.shift == b.shift);
}

// Block `block` of call.score_blocks. The keys of a warp's first item are on their way before earlier kernels have ended;
// those of the next only when its scores are announced, as they would delay the keys that others wait for.
template <class Activation, int kD>
__device__ __forceinline__ void score_keys(const FewRowsCall& call, int block, KeyStage<kD>* memory) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int stride = call.score_blocks * (static_cast<int>(blockDim.x) / 32);
  int last = 0;
  for (int row = 0; row < call.rows; ++row) last = max(last, call.decode_rows[row].position);
  const int items = (last / kGroupKeys + 1) * call.kv_heads;
  const std::uint32_t keys = shared_address(memory + warp);
  const auto order = [&](int number) {
    if (number >= items) return;
    const ScoreItem item(call, number, lane);
    order_keys<kD>(call, item, call.decode_rows[first_row(call, item)], keys, lane);
    commit_copies();
  };
  int number = block + call.score_blocks * warp;
  // What is older than the kernel before: all keys but those of the rows' own positions.
  bool early = false;
  if (number < items) {
    const ScoreItem item(call, number, lane);
    early = call.decode_rows[first_row(call, item)].position >= (item.group + 1) * kGroupKeys;
  }
  if (!early) wait_for_earlier_kernels();
  order(number);
  if (early) wait_for_earlier_kernels();
  Queries<kD> queries;
#pragma unroll 1
  for (; number < items; number += stride) {
    const ScoreItem item(call, number, lane);
    int row = first_row(call, item);
    DecodeRow held = call.decode_rows[row];  // whose keys are there
    queries.load(call, row, item.kv_head, lane);
    wait_for_copies<0>();
    __syncwarp();
#pragma unroll 1
    for (; row < call.rows; ++row) {
      const DecodeRow decode = call.decode_rows[row];
      if (decode.position < item.group * kGroupKeys) continue;
      queries.load(call, row, item.kv_head, lane);
      if (!same_keys(item, held, decode)) {
        __syncwarp();
        order_keys<kD>(call, item, decode, keys, lane);
        commit_copies();
        wait_for_copies<0>();
        __syncwarp();
        held = decode;
      }
      score_row<Activation>(call, item, row, decode, keys, queries, lane);
    }
    // Whoever acquires the counter sees the scores of all lanes.
    __syncwarp();
    if (lane < call.rows && call.decode_rows[lane].position >= item.group * kGroupKeys) {
      asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(&call.ready[item.index(call, lane)])
                   : "memory");
    }
    order(number + stride);
  }
}

}  // namespace assay
