// How many ids of its row rank before an asked id, a block an asked id.
#include "kernels/cuda/logits_row.cuh"
#include "kernels/cuda/token_scores.h"

namespace assay {
namespace {

constexpr int kThreads = 1024;
constexpr unsigned kWholeWarp = 0xffffffffU;

// The float before a finite x: y >= x where y > before(x).
__device__ __forceinline__ float before(float x) {
  const int bits = __float_as_int(x);
  if (x == 0.0F) return __int_as_float(static_cast<int>(0x80000001U));
  return __int_as_float(x > 0.0F ? bits - 1 : bits + 1);
}

// The threads' counts, in thread 0.
__device__ __forceinline__ int block_sum(int count) {
  __shared__ int of_warps[kThreads / 32];
  count = __reduce_add_sync(kWholeWarp, count);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = count;
  __syncthreads();
  return threadIdx.x < 32 ? __reduce_add_sync(kWholeWarp, of_warps[threadIdx.x]) : 0;
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    rank_token(const std::uint16_t* __restrict__ logits, int columns, const std::int32_t* __restrict__ row_of,
               const std::int32_t* __restrict__ ids, float* __restrict__ values,
               std::int32_t* __restrict__ ranks) {
  const LogitsRow<T> row(logits, row_of[blockIdx.x], columns);
  const int id = ids[blockIdx.x];
  const float value = T::decode(row[id]);
  const float lower = before(value);
  int better = 0;
#pragma unroll 4
  for (int c = static_cast<int>(threadIdx.x); c < row.chunks(); c += kThreads) {
    const Vector8 v = decode8<T>(row.chunk(c));
    // Ids before the asked one are better when equal, too.
    const float bound = 8 * c < id ? lower : value;
    const float last_bound = 8 * c + 7 < id ? lower : value;
    if (bound == last_bound) {
#pragma unroll
      for (int e = 0; e < 8; ++e) better += v.value[e] > bound ? 1 : 0;
    } else {
#pragma unroll
      for (int e = 0; e < 8; ++e) better += v.value[e] > (8 * c + e < id ? lower : value) ? 1 : 0;
    }
  }
  better = block_sum(better);
  if (threadIdx.x > 0) return;
  values[blockIdx.x] = value;
  ranks[blockIdx.x] = better + 1;
}

}  // namespace

void rank_tokens(Dtype dtype, const std::uint16_t* logits, Index vocabulary, const std::int32_t* row_of,
                 const std::int32_t* ids, Index count, float* values, std::int32_t* ranks,
                 cudaStream_t stream) {
  if (count == 0) return;
  with_activation(dtype, [&](auto t) {
    rank_token<decltype(t)><<<static_cast<unsigned>(count), kThreads, 0, stream>>>(
        logits, static_cast<int>(vocabulary), row_of, ids, values, ranks);
  });
  check_launch("rank_token", stream);
}

}  // namespace assay
