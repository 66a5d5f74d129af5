// The scores of 16 keys for the query heads of one kv head, by one warp, one row after another.
//
// The keys are the rows of the mma, the query heads its columns. Within a step of 16 the order of k is free: thread t of
// four takes k = 4 t .. 4 t + 3 for both operands, 8 bytes at once from global memory.
#pragma once

#include "kernels/cuda/attention_few_rows.cuh"
#include "kernels/cuda/mma_sync.cuh"

namespace assay {

template <int kSteps>
__device__ __forceinline__ void load_steps(uint2 (&operand)[kSteps], const std::uint16_t* vector,
                                           bool there) {
#pragma unroll
  for (int s = 0; s < kSteps; ++s)
    operand[s] = there ? __ldg(reinterpret_cast<const uint2*>(vector + 16 * s)) : make_uint2(0, 0);
}

// 16 keys of a kv head, as A of the mma: of keys lane / 4 and 8 further.
template <int kD>
struct KeyGroup {
  uint2 steps[2][kD / 16];
  std::int64_t slots[2] = {-1, -1};  // -1: zeros

  // `keys` of the kv head, at the lane's first k. What is there already is not loaded again.
  __device__ __forceinline__ void load(const std::uint16_t* keys, const DecodeRow& row, int first_key) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int key = first_key + 8 * half;
      const std::int64_t slot = key <= row.position ? slot_of(row, key) : -1;
      if (slot == slots[half] && slot >= 0) continue;
      load_steps(steps[half], keys + slot * kD, slot >= 0);
      slots[half] = slot;
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

template <class Activation, int kD>
__device__ __forceinline__ void score_row(const FewRowsCall& call, const ScoreItem& item, int row,
                                          const DecodeRow& decode, const KeyGroup<kD>& keys, int lane) {
  constexpr int kSteps = kD / 16;
  uint2 query[kSteps];
  load_steps(
      query,
      call.q + row * call.q_stride + (item.kv_head * call.group_heads + lane / 4) * kD + 4 * (lane % 4),
      lane / 4 < call.group_heads);
  float4 sum = {};
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const std::uint32_t a[4] = {keys.steps[0][s].x, keys.steps[1][s].x, keys.steps[0][s].y,
                                keys.steps[1][s].y};
    mma_16x8x16<Activation>(sum, a, query[s].x, query[s].y);
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

// Block `block` of call.score_blocks. While a warp computes with the keys of one item, those of its next are on their way.
template <class Activation, int kD>
__device__ __forceinline__ void score_keys(const FewRowsCall& call, int block) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int stride = call.score_blocks * (static_cast<int>(blockDim.x) / 32);
  int last = 0;
  for (int row = 0; row < call.rows; ++row) last = max(last, call.decode_rows[row].position);
  const int items = (last / kGroupKeys + 1) * call.kv_heads;
  const auto order = [&](int number) {
    KeyGroup<kD> keys;
    if (number >= items) return keys;
    const ScoreItem item(call, number, lane);
    int row = 0;
    while (call.decode_rows[row].position < item.group * kGroupKeys) ++row;  // the last row of all sees it
    keys.load(call.keys + item.kv_head * call.capacity * kD + 4 * (lane % 4), call.decode_rows[row],
              item.first_key);
    return keys;
  };
  int number = block + call.score_blocks * (static_cast<int>(threadIdx.x) / 32);
  KeyGroup<kD> next = order(number);
#pragma unroll 1
  for (; number < items; number += stride) {
    const ScoreItem item(call, number, lane);
    KeyGroup<kD> keys = next;
    next = order(number + stride);
#pragma unroll 1
    for (int row = 0; row < call.rows; ++row) {
      const DecodeRow decode = call.decode_rows[row];
      if (decode.position < item.group * kGroupKeys) continue;
      keys.load(call.keys + item.kv_head * call.capacity * kD + 4 * (lane % 4), decode, item.first_key);
      score_row<Activation>(call, item, row, decode, keys, lane);
    }
    // The scores are written; now all may know.
    __threadfence();
    __syncwarp();
    if (lane < call.rows && call.decode_rows[lane].position >= item.group * kGroupKeys)
      atomicAdd(&call.ready[item.index(call, lane)], 1U);
  }
}

}  // namespace assay
