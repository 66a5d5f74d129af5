#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/attention.h"
#include "kernels/cuda/early_launch.cuh"
#include "kernels/cuda/few_rows_scores.cuh"
#include "kernels/cuda/few_rows_values.cuh"
#include "kernels/cuda/values_map.h"

namespace assay {
namespace {

static_assert(kTileKeys == kAttentionTile);
constexpr Index kMostRows = 16;

// What the last block leaves: zeros, for the next launch.
__device__ void clear_progress(const FewRowsCall& call) {
  for (int i = static_cast<int>(threadIdx.x); i < call.rows * call.kv_heads * call.chunks;
       i += static_cast<int>(blockDim.x))
    call.ready[i] = 0;
  if (threadIdx.x != 0) return;
  call.progress->finished = 0;
  atomicSub(&call.progress->started, gridDim.x);
}

template <class Activation, int kD, int kHeads>
__global__ __launch_bounds__(ValuesMemory<kHeads>::kThreads,
                             1) void few_rows_kernel(const FewRowsCall call,
                                                     const __grid_constant__ CUtensorMap map) {
  extern __shared__ __align__(1024) unsigned char bytes[];
  auto& memory = *reinterpret_cast<ValuesMemory<kHeads>*>(bytes);
  __shared__ unsigned number;
  // A launch before this one may not have ended: its blocks have all started.
  if (threadIdx.x == 0) number = atomicAdd(&call.progress->started, 1U) % gridDim.x;
  __syncthreads();
  let_later_kernels_start();
  const int block = static_cast<int>(number);
  if (block < call.score_blocks) {
    score_keys<Activation, kD>(call, block, reinterpret_cast<KeyStage<kD>*>(bytes));
  } else {
    sum_values<Activation, kD, kHeads>(call, map, block - call.score_blocks, memory);
  }
  __syncthreads();
  if (threadIdx.x == 0) number = atomicAdd(&call.progress->finished, 1U);
  __syncthreads();
  if (number == gridDim.x - 1) clear_progress(call);
}

int attribute_of_device(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute");
  return value;
}

// Score blocks fill what the chains leave of the GPU, and at least a quarter of it.
template <class Activation, int kD, int kHeads>
void launch(FewRowsCall call, const CUtensorMap& map, cudaStream_t stream) {
  const auto kernel = few_rows_kernel<Activation, kD, kHeads>;
  constexpr int kThreads = ValuesMemory<kHeads>::kThreads;
  constexpr int kBytes = FewRowsMemory<kD, kHeads>::kBytes;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
             "cudaFuncSetAttribute");
  const int value_blocks = kD / kSlice * call.kv_heads * call.rows;
  const int blocks = attribute_of_device(cudaDevAttrMultiProcessorCount);
  const int useful = (call.chunks * kChunkGroups * call.kv_heads + kThreads / 32 - 1) / (kThreads / 32);
  call.score_blocks = std::min(useful, std::max(blocks / 4, blocks - value_blocks));
  launch_early(kernel, "attention_few_rows",
               {static_cast<unsigned>(call.score_blocks + value_blocks), kThreads, kBytes, stream}, call,
               map);
}

// The workspace: what must be zero first.
struct Workspace {
  std::size_t ready, maxima, scores, bytes;
};
Workspace workspace_of(Index rows, Index heads, Index chunks) {
  const auto vectors = static_cast<std::size_t>(rows * heads * chunks);
  Workspace w = {};
  w.ready = sizeof(FewRowsProgress);
  w.maxima = (w.ready + vectors * sizeof(unsigned) + 127) / 128 * 128;
  // Heads that fill up a group are read, for nothing.
  w.scores = w.maxima + (vectors + kMostGroupHeads) * kChunkGroups * sizeof(float);
  w.bytes = w.scores + (vectors + kMostGroupHeads) * kChunkKeys * sizeof(float);
  return w;
}

}  // namespace

bool supports_attention_few_rows(const AttentionCall& call) {
  const Index d = call.kv.head_dim;
  return call.rows >= 1 && call.rows <= kMostRows && (d == 64 || d == 128) &&
         call.heads % call.kv.kv_heads == 0 && call.heads / call.kv.kv_heads <= kMostGroupHeads;
}

std::size_t attention_few_rows_workspace(Index rows, Index heads, Index, Index most_positions) {
  return workspace_of(rows, heads, ceil_div(most_positions, Index{kChunkKeys})).bytes;
}

void attention_few_rows(const AttentionCall& call, const DecodeRow* decode_rows, Index most_positions,
                        std::byte* workspace, cudaStream_t stream) {
  require(supports_attention_few_rows(call), "a shape of attention_few_rows");
  const Index chunks = ceil_div(most_positions, Index{kChunkKeys});
  const Workspace w = workspace_of(call.rows, call.heads, chunks);
  FewRowsCall few = {};
  few.q = call.q;
  few.keys = call.kv.keys;
  few.values = call.kv.values;
  few.out = call.out;
  few.decode_rows = decode_rows;
  few.progress = reinterpret_cast<FewRowsProgress*>(workspace);
  few.ready = reinterpret_cast<unsigned*>(workspace + w.ready);
  few.maxima = reinterpret_cast<float*>(workspace + w.maxima);
  few.scores = reinterpret_cast<float*>(workspace + w.scores);
  few.q_stride = call.q_stride;
  few.capacity = call.kv.capacity;
  few.rows = static_cast<int>(call.rows);
  few.heads = static_cast<int>(call.heads);
  few.kv_heads = static_cast<int>(call.kv.kv_heads);
  few.group_heads = few.heads / few.kv_heads;
  few.chunks = static_cast<int>(chunks);
  few.scale = 1.0F / std::sqrt(static_cast<float>(call.kv.head_dim));
  CUtensorMap map = {};
  if (attribute_of_device(cudaDevAttrComputeCapabilityMajor) >= 9)
    map = values_map(call.kv, kSlice, kBoxKeys);
  with_activation(call.dtype, [&](auto activation) {
    using Activation = decltype(activation);
    if (call.kv.head_dim == 64) {
      return few.group_heads <= 4 ? launch<Activation, 64, 4>(few, map, stream)
                                  : launch<Activation, 64, 8>(few, map, stream);
    }
    return few.group_heads <= 4 ? launch<Activation, 128, 4>(few, map, stream)
                                : launch<Activation, 128, 8>(few, map, stream);
  });
}

}  // namespace assay
