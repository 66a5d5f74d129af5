// Flash attention on Hopper in the order of kernels/attention.h.
//
// A block has one warp that copies tiles and one to three consumer warpgroups. A consumer has one unit: 64 query rows
// of one head. The consumers of a block have heads of the same kv head and rows near each other, so that they read
// the same tiles of 64 keys. Units with the longest rows come first in the grid.
//
//   copy warp        K 0, V 0, K 1, V 1, ...
//   consumer         S = Q K_t while O += P V_t-1 is in flight; the softmax of S hides the end of O's product
#include <algorithm>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_copy.cuh"
#include "kernels/cuda/attention_mma.cuh"
#include "kernels/cuda/attention_softmax.cuh"
#include "kernels/cuda/attention_tensor_map.h"
#include "kernels/cuda/number.cuh"

namespace assay {
namespace {

constexpr int kTile = 64;  // keys of a tile, query rows of a unit, columns of a block in shared memory
constexpr int kWarpgroup = 128;
constexpr int kMostConsumers = 3;
constexpr int kStages = 4;

// Pointers and extents that the kernel needs beside the tensor maps.
struct Prefill {
  std::uint16_t* out;
  int rows;
  int first_position;
  int heads;
  int group;  // query heads of a kv head
  int kv_heads;
  float scale;
};

template <int kD>
struct Shared {
  static constexpr int kTileElements = kTile * kD;
  std::uint16_t q[kMostConsumers][kTileElements];
  std::uint16_t keys[kStages][kTileElements];
  std::uint16_t values[kStages][kTileElements];
  std::uint64_t q_full[kMostConsumers];
  std::uint64_t keys_full[kStages], keys_empty[kStages];
  std::uint64_t values_full[kStages], values_empty[kStages];
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr int kBlockElements = kTile * 64;  // of 64 rows x 64 columns

struct Unit {
  int head;
  int row;  // the first
};

// Past the last unit the first one is done again: equal bits to the same place.
__device__ Unit unit_of(const Prefill& p, int consumers, int consumer) {
  const int kv_head = static_cast<int>(blockIdx.x) % p.kv_heads;
  const int rank = static_cast<int>(blockIdx.x) / p.kv_heads * consumers + consumer;
  const int unit = max((p.rows + kTile - 1) / kTile * p.group - 1 - rank, 0);
  return {kv_head * p.group + unit % p.group, unit / p.group * kTile};
}

// Tiles that the block's first unit sees; no other one sees more.
__device__ int tiles_of(const Prefill& p, int consumers) {
  const int keys = p.first_position + min(p.rows, unit_of(p, consumers, 0).row + kTile);
  return (keys + kTile - 1) / kTile;
}

// Stages are used in turn; the parity of their barriers changes with each round.
struct Turn {
  int stage = 0;
  int parity = 0;
  __device__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

template <int kD>
__device__ void copy_tile(std::uint16_t* to, const CUtensorMap* map, int y, int z, std::uint64_t* barrier) {
  barrier_expect(barrier, kTile * kD * 2);
#pragma unroll
  for (int x = 0; x < kD; x += 64) copy_box(to + x / 64 * kBlockElements, map, x, y, z, barrier);
}

template <int kD>
__device__ void copy_tiles(Shared<kD>& shared, const CUtensorMap* q_map, const CUtensorMap* key_map,
                           const CUtensorMap* value_map, const Prefill& p, int consumers) {
  for (int c = 0; c < consumers; ++c) {
    const Unit unit = unit_of(p, consumers, c);
    copy_tile<kD>(shared.q[c], q_map, unit.head, unit.row, &shared.q_full[c]);
  }
  const int tiles = tiles_of(p, consumers);
  const int kv_head = static_cast<int>(blockIdx.x) % p.kv_heads;
  Turn turn;
  for (int t = 0; t < tiles; ++t) {
    barrier_wait(&shared.keys_empty[turn.stage], turn.parity ^ 1);
    copy_tile<kD>(shared.keys[turn.stage], key_map, t * kTile, kv_head, &shared.keys_full[turn.stage]);
    barrier_wait(&shared.values_empty[turn.stage], turn.parity ^ 1);
    copy_tile<kD>(shared.values[turn.stage], value_map, t * kTile, kv_head, &shared.values_full[turn.stage]);
    turn.advance();
  }
}

// What one thread of a consumer warpgroup holds.
template <class Activation, int kD>
struct Consumer {
  Shared<kD>& shared;
  std::uint32_t q;  // tile_at
  int thread;       // of the warpgroup
  SoftmaxRows rows = {{-INFINITY, -INFINITY}, {}};
  float scores[32];
  std::uint32_t p[16];  // rounded, in pairs
  float sums[kD / 2] = {};

  __device__ void release(std::uint64_t* barrier) const {
    if (thread % 32 == 0) barrier_arrive(barrier);
  }

  __device__ void start_scores(int stage) {
    const std::uint32_t keys = tile_at(shared_address(shared.keys[stage]), 0);
    pin(scores);
    mma_fence();
#pragma unroll
    for (int d = 0; d < kD; d += 16) {
      const int step = (d / 64 * kBlockElements + d % 64) * 2 / 16;
      mma_scores<Activation>(scores, descriptor(q + step), descriptor(keys + step), d > 0);
    }
    mma_commit();
  }

  __device__ void start_values(int stage) {
    const std::uint32_t values = tile_at(shared_address(shared.values[stage]), kBlockElements * 2);
    pin(sums);
    pin(p);
    mma_fence();
#pragma unroll
    for (int key = 0; key < kTile; key += 16) {
      mma_values<Activation>(sums, p + key / 4, descriptor(values + key * 128 / 16));
    }
    mma_commit();
  }

  // `position` is that of the unit's first row.
  __device__ void mask(int t, int position) {
    const int row = position + thread / 32 * 16 + thread % 32 / 4 - t * kTile;
    const int column = thread % 4 * 2;
#pragma unroll
    for (int i = 0; i < 32; ++i) {
      if (i / 4 * 8 + column + i % 2 > row + i / 2 % 2 * 8) scores[i] = -INFINITY;
    }
  }

  __device__ void rescale(const Rescale& by) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (!by.needed[h]) continue;
#pragma unroll
      for (int i = 2 * h; i < kD / 2; i += 4) {
        sums[i] *= by.a[h];
        sums[i + 1] *= by.a[h];
      }
    }
  }

  __device__ void round() {
#pragma unroll
    for (int i = 0; i < 16; ++i) p[i] = Activation::encode_pair(scores[2 * i], scores[2 * i + 1]);
  }

  // Tile t's scores, with the values of tile t - 1 in flight; then its values may start.
  template <bool kFirst>
  __device__ void visit(int t, const Turn& turn, int last_stage, int position, float scale) {
    barrier_wait(&shared.keys_full[turn.stage], turn.parity);
    start_scores(turn.stage);
    if constexpr (!kFirst) start_values(last_stage);
    mma_wait<kFirst ? 0 : 1>();
    pin(scores);
    release(&shared.keys_empty[turn.stage]);
    if (t * kTile + kTile - 1 > position) mask(t, position);
    const Rescale by = softmax_tile<Activation>(scores, scale, rows);
    pin(scores);
    // Here and not where the values are used: the branch keeps most of the exponentials before the end of the product.
    barrier_wait(&shared.values_full[turn.stage], turn.parity);
    if constexpr (!kFirst) {
      mma_wait<0>();
      pin(sums);
      pin(p);
      release(&shared.values_empty[last_stage]);
      rescale(by);
    }
    round();
  }

  __device__ void run(int tiles, int position, float scale) {
    Turn turn;
    visit<true>(0, turn, 0, position, scale);
    for (int t = 1; t < tiles; ++t) {
      const int last_stage = turn.stage;
      turn.advance();
      visit<false>(t, turn, last_stage, position, scale);
    }
    start_values(turn.stage);
    mma_wait<0>();
    pin(sums);
  }

  __device__ void store(const Unit& unit, const Prefill& call) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float sum = lane_sum(rows.lanes[h]);
      const int row = unit.row + thread / 32 * 16 + thread % 32 / 4 + 8 * h;
      if (row >= call.rows) continue;
      std::uint16_t* out =
          call.out + (static_cast<std::int64_t>(row) * call.heads + unit.head) * kD + thread % 4 * 2;
#pragma unroll
      for (int j = 0; j < kD / 8; ++j) {
        const float* o = sums + 4 * j + 2 * h;
        *reinterpret_cast<std::uint32_t*>(out + 8 * j) = Activation::encode_pair(o[0] / sum, o[1] / sum);
      }
    }
  }
};

template <class Activation, int kD>
__global__ void __launch_bounds__(kWarpgroup*(kMostConsumers + 1), 1)
    attention_prefill_kernel(const __grid_constant__ CUtensorMap q_map,
                             const __grid_constant__ CUtensorMap key_map,
                             const __grid_constant__ CUtensorMap value_map, const Prefill call) {
  extern __shared__ std::uint8_t memory[];
  auto& shared = *reinterpret_cast<Shared<kD>*>(memory + (-shared_address(memory) & 1023U));
  const int warpgroup = __shfl_sync(0xffffffffU, static_cast<int>(threadIdx.x) / kWarpgroup, 0);  // uniform
  const int consumers = static_cast<int>(blockDim.x) / kWarpgroup - 1;
  if (threadIdx.x == 0) {
    for (std::uint64_t& barrier : shared.q_full) barrier_init(&barrier, 1);
    for (int s = 0; s < kStages; ++s) {
      barrier_init(&shared.keys_full[s], 1);
      barrier_init(&shared.values_full[s], 1);
      barrier_init(&shared.keys_empty[s], 4 * consumers);
      barrier_init(&shared.values_empty[s], 4 * consumers);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (warpgroup == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
    if (threadIdx.x == 0) copy_tiles<kD>(shared, &q_map, &key_map, &value_map, call, consumers);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 160;");
    const Unit unit = unit_of(call, consumers, warpgroup - 1);
    Consumer<Activation, kD> consumer = {shared, tile_at(shared_address(shared.q[warpgroup - 1]), 0),
                                         static_cast<int>(threadIdx.x) % kWarpgroup};
    barrier_wait(&shared.q_full[warpgroup - 1], 0);
    consumer.run(tiles_of(call, consumers), call.first_position + unit.row, call.scale);
    consumer.store(unit, call);
  }
}

#else

template <class Activation, int kD>
__global__ void attention_prefill_kernel(const __grid_constant__ CUtensorMap,
                                         const __grid_constant__ CUtensorMap,
                                         const __grid_constant__ CUtensorMap, const Prefill) {
  __trap();
}

#endif

int multiprocessors() {
  int device = 0;
  int count = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device),
             "cudaDeviceGetAttribute");
  return count;
}

template <class Activation, int kD>
void launch(const AttentionCall& call, Index first_position, cudaStream_t stream) {
  const KvLayer& kv = call.kv;
  const Index group = call.heads / kv.kv_heads;
  const Index units = ceil_div(call.rows, kTile) * group;  // of a kv head
  const Index consumers =
      std::clamp<Index>(ceil_div(units * kv.kv_heads, multiprocessors()), 1, kMostConsumers);
  const Prefill prefill = {call.out,
                           static_cast<int>(call.rows),
                           static_cast<int>(first_position),
                           static_cast<int>(call.heads),
                           static_cast<int>(group),
                           static_cast<int>(kv.kv_heads),
                           1.0F / sqrtf(static_cast<float>(kD))};
  // Keys beyond the last visible one read as zeros, whatever the cache holds there.
  const auto kv_map = [&](const std::uint16_t* data) {
    return make_tensor_map(
        call.dtype, {data, {kD, first_position + call.rows, kv.kv_heads}, {kD, kv.capacity * kD}}, 1, kTile);
  };
  const CUtensorMap q_map =
      make_tensor_map(call.dtype, {call.q, {kD, call.heads, call.rows}, {kD, call.q_stride}}, 2, kTile);
  constexpr int kBytes = static_cast<int>(sizeof(Shared<kD>)) + 1024;
  const auto kernel = attention_prefill_kernel<Activation, kD>;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
             "cudaFuncSetAttribute");
  const auto blocks = static_cast<unsigned>(ceil_div(units, consumers) * kv.kv_heads);
  kernel<<<blocks, static_cast<unsigned>(kWarpgroup * (consumers + 1)), kBytes, stream>>>(
      q_map, kv_map(kv.keys), kv_map(kv.values), prefill);
  check_launch("attention_prefill", stream);
}

}  // namespace

bool supports_attention_prefill(const AttentionCall& call) {
  int device = 0;
  int major = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      major != 9) {
    return false;
  }
  const auto aligned = [](const std::uint16_t* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  return (call.dtype == Dtype::fp16 || call.dtype == Dtype::bf16) &&
         (call.kv.head_dim == 64 || call.kv.head_dim == 128) && call.heads % call.kv.kv_heads == 0 &&
         call.q_stride % 8 == 0 && aligned(call.q) && aligned(call.kv.keys) && aligned(call.kv.values);
}

void attention_prefill(const AttentionCall& call, Index first_position, cudaStream_t stream) {
  with_activation(call.dtype, [&](auto activation) {
    using Activation = decltype(activation);
    if (call.kv.head_dim == 64) {
      launch<Activation, 64>(call, first_position, stream);
    } else {
      launch<Activation, 128>(call, first_position, stream);
    }
  });
}

}  // namespace assay
