// The largest logit of each row, the log of the sum of exp(x - max), and the first logit that is not finite. The sum's
// 32 chains of additions are as long as the row / 32, and nothing shortens them.
//
// summarize_row: a block a row. One warp does nothing but add, while the others compute the terms of the next part of
// the row.
//
// summarize_long_row: for few rows, a cluster of blocks a row. Each block computes the terms of its share at once; then
// the blocks add their shares one after another, each going on from the sums of the block before.
#include <cooperative_groups.h>

#include <climits>

#include "kernels/cuda/exp_of_nonpositive.h"
#include "kernels/cuda/logits_row.cuh"
#include "kernels/cuda/token_scores.h"
#include "kernels/ops.h"
#include "number/transcendental.h"

namespace assay {
namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
constexpr int kTermWarps = kWarps - 1;
constexpr int kSteps = 8;  // of 32 columns, in a part, a warp
constexpr int kPartColumns = kTermWarps * kSteps * 32;
constexpr int kPartGroups = kTermWarps * kSteps / 4;
constexpr unsigned kWholeWarp = 0xffffffffU;

// Few rows of many columns; at most so many that a share's terms fit into shared memory.
constexpr int kClusterBlocks = 8;
constexpr Index kFewRows = 16;
constexpr Index kManyColumns = 32768;
constexpr Index kMostColumns = 400000;

// The terms of four steps, lane by lane.
constexpr int kGroupColumns = 4 * kReductionLanes;
using Group = float4[kReductionLanes];

struct Extremes {
  float max;
  int first_not_finite;  // INT_MAX: none
};

// Whether the exponent of one of the eight is all ones: one more in its last place then carries into the sign.
template <class T>
__device__ __forceinline__ bool any_not_finite(uint4 chunk) {
  constexpr std::uint32_t kLastOfExponent = T::kDtype == Dtype::fp16 ? 0x04000400U : 0x00800080U;
  std::uint32_t carries = 0;
  for (const std::uint32_t word : {chunk.x, chunk.y, chunk.z, chunk.w}) {
    carries |= (word & 0x7fff7fffU) + kLastOfExponent;
  }
  return (carries & 0x80008000U) != 0;
}

template <class T>
__device__ __forceinline__ int first_not_finite_of(const LogitsRow<T>& row, int chunk) {
  for (int column = 8 * chunk; column < min(8 * chunk + 8, row.columns()); ++column) {
    if (!isfinite(T::decode(row[column]))) return column;
  }
  return INT_MAX;
}

// Of the thread's chunks among first to end - 1.
template <class T>
__device__ __forceinline__ Extremes extremes_of_thread(const LogitsRow<T>& row, int first, int end) {
  constexpr std::uint32_t kLowestPair = LogitsRow<T>::kLowest * 0x10001U;
  typename T::Pair max = as_pair<T>(kLowestPair);
  int suspect = INT_MAX;
#pragma unroll 8
  for (int c = first + static_cast<int>(threadIdx.x); c < end; c += kThreads) {
    const uint4 chunk = row.chunk(c);
    max = __hmax2(max, largest_pair<T>(chunk));
    suspect = any_not_finite<T>(chunk) ? min(suspect, c) : suspect;
  }
  return {larger_half<T>(max), suspect == INT_MAX ? INT_MAX : first_not_finite_of(row, suspect)};
}

__device__ __forceinline__ Extremes extremes_of_both(Extremes a, Extremes b) {
  return {fmaxf(a.max, b.max), min(a.first_not_finite, b.first_not_finite)};
}

// Of the block; every thread gets it.
__device__ __forceinline__ Extremes combined(Extremes mine) {
  __shared__ Extremes of_warps[kWarps];
  for (int distance = 16; distance > 0; distance /= 2) {
    mine.max = fmaxf(mine.max, __shfl_xor_sync(kWholeWarp, mine.max, distance));
  }
  mine.first_not_finite = __reduce_min_sync(kWholeWarp, mine.first_not_finite);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = mine;
  __syncthreads();
  for (const Extremes& other : of_warps) mine = extremes_of_both(mine, other);
  return mine;
}

// One lane of a term warp: its logits of the part to come, then their terms.
template <class T>
struct TermLane {
  std::uint16_t logits[kSteps];

  __device__ __forceinline__ void load(const LogitsRow<T>& row, int first_column) {
#pragma unroll
    for (int s = 0; s < kSteps; ++s) logits[s] = row.column_or_lowest(first_column + 32 * s);
  }
  __device__ __forceinline__ float term(int s, float max) const {
    return exp_of_nonpositive(T::decode(logits[s]) - max);
  }
};

// Adds a lane's terms to its sum in order, those ahead being loaded meanwhile. Beyond `count` the terms are +0, which
// changes no sum of numbers that are not negative.
__device__ __forceinline__ float add_groups(const Group* groups, int count, float sum) {
  constexpr int kAhead = 5;
  float4 ahead[kAhead];
  const auto load = [&](int first) {
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      ahead[i] = first + i < count ? groups[first + i][threadIdx.x] : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    }
  };
  load(0);
  for (int first = 0; first < count; first += kAhead) {
    float4 now[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) now[i] = ahead[i];
    load(first + kAhead);
#pragma unroll
    for (int i = 0; i < kAhead; ++i) sum = (((sum + now[i].x) + now[i].y) + now[i].z) + now[i].w;
  }
  return sum;
}

// The chains' sums in the lanes of warp 0.
template <class T>
__device__ __forceinline__ float sum_of_terms(const LogitsRow<T>& row, float max) {
  __shared__ Group terms[2][kPartGroups];  // the two take turns
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int term_warp = static_cast<int>(threadIdx.x) / 32 - 1;
  const int parts = (row.columns() + kPartColumns - 1) / kPartColumns;
  const int first_column = term_warp * kSteps * 32 + lane;
  float sum = 0.0F;
  TermLane<T> ahead;
  if (term_warp >= 0) ahead.load(row, first_column);
  for (int part = 0; part <= parts; ++part) {
    if (term_warp < 0) {
      if (part > 0) sum = add_groups(terms[(part - 1) % 2], kPartGroups, sum);
    } else if (part < parts) {
      const TermLane<T> now = ahead;
      ahead.load(row, first_column + (part + 1) * kPartColumns);
#pragma unroll
      for (int g = 0; g < kSteps / 4; ++g) {
        terms[part % 2][term_warp * (kSteps / 4) + g][lane] =
            make_float4(now.term(4 * g, max), now.term(4 * g + 1, max), now.term(4 * g + 2, max),
                        now.term(4 * g + 3, max));
      }
    }
    __syncthreads();
  }
  return sum;
}

// By warp 0: from the chains' sums to the summary.
__device__ __forceinline__ void write_summary(Extremes extremes, float sum, RowSummary* out) {
  for (unsigned width = kReductionLanes / 2; width > 0; width /= 2)
    sum += __shfl_down_sync(kWholeWarp, sum, width);
  const int first = extremes.first_not_finite;
  if (threadIdx.x == 0) *out = {extremes.max, portable_log(sum), first == INT_MAX ? -1 : first};
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    summarize_row(const std::uint16_t* __restrict__ logits, int columns, RowSummary* __restrict__ out) {
  const LogitsRow<T> row(logits, blockIdx.x, columns);
  const Extremes extremes = combined(extremes_of_thread(row, 0, row.chunks()));
  const float sum = sum_of_terms(row, extremes.max);
  if (threadIdx.x < kReductionLanes) write_summary(extremes, sum, out + blockIdx.x);
}

__host__ __device__ constexpr int share_of(int count) {
  return (count + kClusterBlocks - 1) / kClusterBlocks;
}

template <class T>
__device__ __forceinline__ void write_terms(const LogitsRow<T>& row, int first_group, int count, float max,
                                            Group* terms) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 4
  for (int g = static_cast<int>(threadIdx.x) / 32; g < count; g += kWarps) {
    const int column = (first_group + g) * kGroupColumns + lane;
    float term[4];
#pragma unroll
    for (int s = 0; s < 4; ++s) {
      term[s] = exp_of_nonpositive(T::decode(row.column_or_lowest(column + 32 * s)) - max);
    }
    terms[g][lane] = make_float4(term[0], term[1], term[2], term[3]);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    summarize_long_row(const std::uint16_t* __restrict__ logits, int columns, RowSummary* __restrict__ out) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  extern __shared__ Group shared_terms[];
  __shared__ Extremes of_block;
  __shared__ float sums[kReductionLanes];
  const auto cluster = cooperative_groups::this_cluster();
  const auto block = static_cast<int>(cluster.block_rank());
  const LogitsRow<T> row(logits, blockIdx.x / kClusterBlocks, columns);

  const int chunks = share_of(row.chunks());
  Extremes extremes =
      combined(extremes_of_thread(row, block * chunks, min((block + 1) * chunks, row.chunks())));
  if (threadIdx.x == 0) of_block = extremes;
  cluster.sync();
  for (unsigned other = 0; other < kClusterBlocks; ++other) {
    extremes = extremes_of_both(extremes, *cluster.map_shared_rank(&of_block, other));
  }

  const int all_groups = (columns + kGroupColumns - 1) / kGroupColumns;
  const int share = share_of(all_groups);
  const int groups = max(0, min(share, all_groups - block * share));
  write_terms(row, block * share, groups, extremes.max, shared_terms);
  __syncthreads();
  for (int turn = 0; turn < kClusterBlocks; ++turn) {
    if (turn == block && threadIdx.x < kReductionLanes) {
      const float before = turn == 0 ? 0.0F : cluster.map_shared_rank(sums, turn - 1)[threadIdx.x];
      const float sum = add_groups(shared_terms, groups, before);
      sums[threadIdx.x] = sum;
      if (turn == kClusterBlocks - 1) write_summary(extremes, sum, out + blockIdx.x / kClusterBlocks);
    }
    cluster.sync();
  }
#endif
}

template <class T>
void launch_clusters(const std::uint16_t* logits, Index rows, int columns, RowSummary* out,
                     cudaStream_t stream) {
  const int groups = share_of((columns + kGroupColumns - 1) / kGroupColumns);
  const auto bytes = static_cast<std::size_t>(groups) * sizeof(Group);
  check_cuda(cudaFuncSetAttribute(summarize_long_row<T>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             "cudaFuncSetAttribute");
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = kClusterBlocks;
  cluster.val.clusterDim.y = 1;
  cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(rows) * kClusterBlocks);
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = bytes;
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = 1;
  check_cuda(cudaLaunchKernelEx(&config, summarize_long_row<T>, logits, columns, out), "summarize_long_row");
  check_launch("summarize_long_row", stream);
}

bool has_clusters() {
  int device = 0;
  int major = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
             "cudaDeviceGetAttribute");
  return major >= 9;
}

}  // namespace

void summarize_rows(Dtype dtype, const std::uint16_t* logits, Index rows, Index vocabulary, RowSummary* out,
                    cudaStream_t stream) {
  const auto columns = static_cast<int>(vocabulary);
  with_activation(dtype, [&](auto t) {
    using T = decltype(t);
    if (rows <= kFewRows && vocabulary >= kManyColumns && vocabulary <= kMostColumns && has_clusters()) {
      launch_clusters<T>(logits, rows, columns, out, stream);
    } else {
      summarize_row<T><<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(logits, columns, out);
      check_launch("summarize_row", stream);
    }
  });
}

}  // namespace assay
