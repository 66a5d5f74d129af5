// Chunks of values on their way to shared memory. The bulk copy engine brings those that lie side by side and are all
// seen; the others, few, come by cp.async, with zeros for keys that are not seen. An mbarrier for each stage tells of the
// first kind; of the second, a barrier of the block after the copying threads' wait.
#pragma once

#include <cuda.h>

#include "kernels/cuda/attention_few_rows.cuh"
#include "kernels/cuda/mma_sync.cuh"

namespace assay {

inline constexpr int kSlice = 32;  // of D, of a block
inline constexpr int kStages = 3;
inline constexpr int kBoxKeys = 256;  // the engine's largest

__device__ __forceinline__ std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

// 16-byte pieces of a key's row are at piece ^ key / 2 % 4: the engine's 64-byte swizzle.
struct ValueStages {
  std::uint16_t values[kStages][kChunkKeys * kSlice];
  std::uint64_t arrived[kStages];

  static __device__ __forceinline__ std::uint32_t offset(int key, int piece) {
    return static_cast<std::uint32_t>(key * kSlice + 8 * (piece ^ (key / 2 % 4))) * 2;
  }
};

__device__ __forceinline__ bool by_bulk_copy(const DecodeRow& row, int chunk) {
#if __CUDA_ARCH__ >= 900
  const int first = chunk * kChunkKeys;
  const bool alike = first + kChunkKeys <= row.shared || first >= row.shared;
  return alike && first + kChunkKeys <= row.position + 1;
#else
  return false;
#endif
}

// By one thread; the barriers are for all after the next barrier of the block.
__device__ __forceinline__ void init_stages(ValueStages& stages) {
#pragma unroll
  for (std::uint64_t& barrier : stages.arrived)
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(&barrier)) : "memory");
#if __CUDA_ARCH__ >= 900
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

// By one thread, for every chunk: each use of a stage is a phase of its mbarrier.
__device__ __forceinline__ void order_bulk(ValueStages& stages, const CUtensorMap& map, const DecodeRow& row,
                                           int chunk, int first_d, int kv_head) {
  const std::uint32_t barrier = shared_address(&stages.arrived[chunk % kStages]);
  if (!by_bulk_copy(row, chunk)) {
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared::cta.b64 state, [%0];\n}" ::"r"(barrier)
                 : "memory");
    return;
  }
#if __CUDA_ARCH__ >= 900
  const std::uint32_t to = shared_address(stages.values[chunk % kStages]);
  const int slot = static_cast<int>(slot_of(row, chunk * kChunkKeys));
  asm volatile("fence.proxy.async.shared::cta;" ::
                   : "memory");  // what was in the stage came by ordinary copies, or was read
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
               "n"(kChunkKeys * kSlice * 2)
               : "memory");
#pragma unroll
  for (int key = 0; key < kChunkKeys; key += kBoxKeys) {
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, "
        "%4}], [%5];" ::"r"(to + static_cast<std::uint32_t>(key * kSlice) * 2),
        "l"(&map), "r"(first_d), "r"(slot + key), "r"(kv_head), "r"(barrier)
        : "memory");
  }
#endif
}

// By kThreads threads, numbered from 0: what order_bulk leaves.
template <int kD, int kThreads>
__device__ __forceinline__ void order_pieces(ValueStages& stages, const std::uint16_t* values,
                                             const DecodeRow& row, int chunk, int thread) {
  if (by_bulk_copy(row, chunk)) return;
  constexpr int kPieces = kSlice / 8;
  const std::uint32_t to = shared_address(stages.values[chunk % kStages]);
  const int piece = thread % kPieces;
#pragma unroll 2
  for (int key = thread / kPieces; key < kChunkKeys; key += kThreads / kPieces) {
    const int position = chunk * kChunkKeys + key;
    const bool seen = position <= row.position;
    const std::int64_t slot = seen ? slot_of(row, position) : 0;
    copy_async_16(to + ValueStages::offset(key, piece), values + slot * kD + 8 * piece, seen ? 16 : 0);
  }
}

__device__ __forceinline__ void wait_for_bulk(ValueStages& stages, int chunk) {
#if __CUDA_ARCH__ >= 900
  std::uint32_t done = 0;
  do {
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(shared_address(&stages.arrived[chunk % kStages])), "r"(chunk / kStages % 2)
        : "memory");
  } while (done == 0);
#endif
}

}  // namespace assay
