// The k largest logits of each row, a block a row. Logits and ids are ordered as one 64-bit key. Each thread finds the
// best key of its own chunks of eight; the k-th best of these keys is a bound that the k best of the row reach, and
// only threads whose best key reaches it hold such keys: their chunks are read again, and the few keys that reach the
// bound are ranked by counting.
#include "base/error.h"
#include "kernels/cuda/logits_row.cuh"
#include "kernels/cuda/token_scores.h"

namespace assay {
namespace {

constexpr int kThreads = 1024;
constexpr int kWarps = kThreads / 32;
constexpr unsigned kWholeWarp = 0xffffffffU;
static_assert(kMostTopTokens <= kWarps, "a warp for each thread whose chunks are read again");

// Larger is better: the logit, then the lower id. 0 is below every key of a token. NaN lies beyond the infinities.
using Key = unsigned long long;

__device__ __forceinline__ Key key_of(std::uint16_t logit, int id) {
  const std::uint32_t bits = logit == 0x8000U ? 0U : logit;  // -0 equals +0
  const std::uint32_t ordered = (bits & 0x8000U) != 0 ? ~bits & 0xffffU : bits | 0x8000U;
  return static_cast<Key>(ordered) << 32 | ~static_cast<std::uint32_t>(id);
}
__device__ __forceinline__ int id_of(Key key) { return static_cast<int>(~static_cast<std::uint32_t>(key)); }

template <class Body>
__device__ __forceinline__ void for_each_key(uint4 chunk, int first_id, int columns, const Body& body) {
  const std::uint32_t words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    const auto logit = static_cast<std::uint16_t>(words[e / 2] >> (e % 2 * 16));
    if (first_id + e < columns) body(key_of(logit, first_id + e));
  }
}

// 0 for a thread without chunks.
template <class T>
__device__ __forceinline__ Key best_of_thread(const LogitsRow<T>& row) {
  const auto first = static_cast<int>(threadIdx.x);
  if (first >= row.chunks()) return 0;
  float best = -INFINITY;
  int best_chunk = first;
#pragma unroll 4
  for (int c = first; c < row.chunks(); c += kThreads) {
    const float largest = larger_half<T>(largest_pair<T>(row.chunk(c)));
    if (largest > best) {
      best = largest;
      best_chunk = c;
    }
  }
  Key key = 0;
  for_each_key(row.chunk(best_chunk), 8 * best_chunk, row.columns(), [&](Key k) { key = max(key, k); });
  return key;
}

struct Keys {
  Key* keys;
  int* count;

  __device__ __forceinline__ void append(Key key) const { keys[atomicAdd(count, 1)] = key; }
  __device__ __forceinline__ int rank(Key key) const {
    int better = 0;
    for (int i = 0; i < *count; ++i) better += keys[i] > key ? 1 : 0;
    return better;
  }
};

// The k-th best of the warps' best keys; 0 if fewer warps have one. A lower bound of the k-th best of all threads'.
__device__ __forceinline__ Key bound_by_warps(Key key, int k) {
  __shared__ Key of_warps[kWarps];
  __shared__ Key bound;
  for (int distance = 16; distance > 0; distance /= 2) {
    key = max(key, __shfl_xor_sync(kWholeWarp, key, distance));
  }
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = key;
  if (threadIdx.x == 0) bound = 0;
  __syncthreads();
  if (threadIdx.x < kWarps) {
    const Key mine = of_warps[threadIdx.x];
    int better = 0;
    for (const Key other : of_warps) better += other > mine ? 1 : 0;
    if (better == k - 1) bound = mine;  // several lanes only where all of them have 0
  }
  __syncthreads();
  return bound;
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    top_row(const std::uint16_t* __restrict__ logits, int columns, int k, std::int32_t* __restrict__ ids,
            float* __restrict__ values) {
  extern __shared__ Key shared_reaching[];
  __shared__ Key shared_bests[kThreads];
  __shared__ Key winners[kMostTopTokens];
  __shared__ Key bound;
  __shared__ int counts[2];
  const LogitsRow<T> row(logits, blockIdx.x, columns);
  const Keys bests{shared_bests, &counts[0]};
  const Keys reaching{shared_reaching, &counts[1]};
  if (threadIdx.x < 2) counts[threadIdx.x] = 0;
  if (threadIdx.x == 0) bound = 0;

  const Key mine = best_of_thread(row);
  const Key lower_bound = bound_by_warps(mine, k);
  const bool may_win = mine > 0 && mine >= lower_bound;
  if (may_win) bests.append(mine);
  __syncthreads();
  if (may_win) {
    const int rank = bests.rank(mine);
    if (rank < k) winners[rank] = mine;
    if (rank == k - 1) bound = mine;
  }
  __syncthreads();
  const auto warp = static_cast<int>(threadIdx.x / 32);
  if (warp < min(k, *bests.count)) {
    const int owner = id_of(winners[warp]) / 8 % kThreads;
    for (int c = owner + static_cast<int>(threadIdx.x % 32) * kThreads; c < row.chunks();
         c += 32 * kThreads) {
      for_each_key(row.chunk(c), 8 * c, columns, [&](Key key) {
        if (key >= bound) reaching.append(key);
      });
    }
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < *reaching.count; i += kThreads) {
    const Key key = shared_reaching[i];
    const int rank = reaching.rank(key);
    if (rank >= k) continue;
    ids[blockIdx.x * static_cast<Index>(k) + rank] = id_of(key);
    values[blockIdx.x * static_cast<Index>(k) + rank] = T::decode(row[id_of(key)]);
  }
}

}  // namespace

void top_tokens(Dtype dtype, const std::uint16_t* logits, Index rows, Index vocabulary, Index k,
                std::int32_t* ids, float* values, cudaStream_t stream) {
  require(k >= 1 && k <= kMostTopTokens && k <= vocabulary,
          "top_tokens takes k from 1 to 32, at most the vocabulary");
  const Index chunks = (vocabulary + 7) / 8;
  const Index chunks_of_thread = (chunks + kThreads - 1) / kThreads;
  const auto bytes = static_cast<std::size_t>(k * chunks_of_thread * 8) * sizeof(Key);
  with_activation(dtype, [&](auto t) {
    using T = decltype(t);
    check_cuda(cudaFuncSetAttribute(top_row<T>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(bytes)),
               "cudaFuncSetAttribute");
    top_row<T><<<static_cast<unsigned>(rows), kThreads, bytes, stream>>>(logits, static_cast<int>(vocabulary),
                                                                         static_cast<int>(k), ids, values);
  });
  check_launch("top_row", stream);
}

}  // namespace assay
