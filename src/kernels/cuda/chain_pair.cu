// A cluster of two blocks computes an item: up to three units of 64 rows, of 256 columns, 128 columns a block. In a block
// one thread copies, and a warpgroup for each unit multiplies: its accumulators are `even` and `odd`, the two walks of
// the slice in work. At the end of a slice they are added; sums of slices but the last wait in global memory.
//
// Shared memory: stages of a k-tile (64): X of each unit [64][64], W [128][64]. Both blocks use the same X: each copies
// 32 rows of each unit, to both. A stage is free when the warpgroups of both blocks have read it.
#include <algorithm>

#include "base/error.h"
#include "kernels/cuda/bulk_tensor_map.h"
#include "kernels/cuda/chain_pair.h"
#include "kernels/cuda/chain_pair_sums.cuh"
#include "kernels/cuda/hopper_async.cuh"

namespace assay {
namespace {

constexpr int kCluster = 2;
constexpr int kColumns = kPairItemColumns / kCluster;
constexpr int kThreads = 128 * (1 + kPairUnits);
constexpr int kUnitBytes = kPairUnitRows * kPairTileK * 2;
constexpr int kStageBytes = kPairUnits * kUnitBytes + kColumns * kPairTileK * 2;
constexpr int kStages = 5;
constexpr int kSharedBytes = kStages * (kStageBytes + 16);
constexpr int kParkedVectors = kPairUnitRows * kColumns / 4;  // of a unit, block and place

struct PairCall {
  const PairItem* items;
  int item_count;
  const int* ends;
  float4* parked;
  std::uint16_t* out;
  Index outputs;
  int tiles;  // of K
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

// Position in the ring of stages.
struct Ring {
  int stage = 0;
  std::uint32_t parity = 0;
  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

struct Stages {
  std::uint32_t memory;
  __device__ __forceinline__ std::uint32_t x(int stage, int unit) const {
    return memory + stage * kStageBytes + unit * kUnitBytes;
  }
  __device__ __forceinline__ std::uint32_t w(int stage) const { return x(stage, kPairUnits); }
  __device__ __forceinline__ std::uint32_t full(int stage) const {
    return memory + kStages * kStageBytes + 16 * stage;
  }
  __device__ __forceinline__ std::uint32_t empty(int stage) const { return full(stage) + 8; }
};

__device__ __forceinline__ void copy_items(const PairCall& call, const Stages& stages,
                                           const CUtensorMap& x_map, const CUtensorMap& w_map) {
  const int rank = static_cast<int>(hopper::cluster_rank());
  constexpr int kPart = kPairUnitRows / kCluster;
  Ring ring;
  for (int i = blockIdx.x / kCluster; i < call.item_count; i += gridDim.x / kCluster) {
    const PairItem item = call.items[i];
    for (int tile = 0; tile < call.tiles; ++tile) {
      const int stage = ring.stage;
      hopper::wait_barrier(stages.empty(stage), ring.parity ^ 1);
      hopper::arrive_expecting(stages.full(stage), kStageBytes);
      const int k = tile * kPairTileK;
#pragma unroll
      for (int unit = 0; unit < kPairUnits; ++unit) {
        hopper::copy_box_to_ranks(stages.x(stage, unit) + rank * kPart * kPairTileK * 2, x_map,
                                  item.units[unit].row + rank * kPart, k, stages.full(stage),
                                  (1 << kCluster) - 1);
      }
      hopper::copy_box(stages.w(stage), w_map, item.column + rank * kColumns, k, stages.full(stage));
      ring.advance();
    }
  }
}

// What a warpgroup has to know of an item.
struct UnitWork {
  int row, rows, column, parked;
  int ends, slices;
  int first_end;
};

__device__ __forceinline__ UnitWork unit_work(const PairCall& call, int item, int unit) {
  const PairItem& from = call.items[item];
  const PairUnit found = from.units[unit];
  const int column = from.column + static_cast<int>(hopper::cluster_rank()) * kColumns;
  return {found.row, found.rows, column, from.parked, found.ends, found.slices, call.ends[found.ends]};
}

// One k-tile; `adds`: not the first of the slice.
template <class T, int kRun>
__device__ __forceinline__ void multiply_tile(float (&even)[64], float (&odd)[64], std::uint32_t x,
                                              std::uint32_t w, int adds) {
  const std::uint64_t x_operand = hopper::operand_at(x);
  const std::uint64_t w_operand = hopper::operand_at(w);
  hopper::begin_products();
#pragma unroll
  for (int block = 0; block < kPairTileK / 16; ++block) {
    const bool is_odd = block * 16 / kRun % 2 == 1;
    const bool first = block * 16 % (2 * kRun) % kRun == 0 && block * 16 < 2 * kRun;
    hopper::multiply_64x128x16<T>(is_odd ? odd : even, x_operand + 2 * block, w_operand + 2 * block,
                                  first ? adds : 1);
  }
  hopper::end_products();
}

// even = even + odd over the next k-tiles.
template <class T, int kRun>
__device__ __forceinline__ void sum_slice(float (&even)[64], float (&odd)[64], int tiles,
                                          const Stages& stages, int unit, Ring& ring) {
  const std::uint32_t lane = threadIdx.x % 32;
  hopper::wait_barrier(stages.full(ring.stage), ring.parity);
  multiply_tile<T, kRun>(even, odd, stages.x(ring.stage, unit), stages.w(ring.stage), 0);
  int previous = ring.stage;
  ring.advance();
  for (int tile = 1; tile < tiles; ++tile) {
    hopper::wait_barrier(stages.full(ring.stage), ring.parity);
    multiply_tile<T, kRun>(even, odd, stages.x(ring.stage, unit), stages.w(ring.stage), 1);
    hopper::wait_products<1>();
    if (lane < kCluster) hopper::arrive_at_rank(stages.empty(previous), lane);
    previous = ring.stage;
    ring.advance();
  }
  hopper::wait_products<0>();
  if (lane < kCluster) hopper::arrive_at_rank(stages.empty(previous), lane);
  hopper::settle(even);
  hopper::settle(odd);
#pragma unroll
  for (int i = 0; i < 64; ++i) even[i] = even[i] + odd[i];
}

template <class T, int kRun>
__device__ __forceinline__ void multiply_items(const PairCall& call, const Stages& stages) {
  const int unit = threadIdx.x / 128 - 1;
  const int rank = static_cast<int>(hopper::cluster_rank());
  float even[64] = {};
  float odd[64] = {};
  Ring ring;
  const int step = gridDim.x / kCluster;
  int item = blockIdx.x / kCluster;
  if (item >= call.item_count) return;
  UnitWork work = unit_work(call, item, unit);
  for (; item < call.item_count; item += step) {
    float4* parked = call.parked + threadIdx.x % 128 +
                     static_cast<Index>((work.parked * kCluster + rank) * kPairUnits + unit) * kParkedVectors;
    constexpr Index kPlace = Index{kCluster} * kPairUnits * kParkedVectors;
    int begin = 0;
    int end = work.first_end;
    for (int slice = 0; slice < work.slices; ++slice) {
      sum_slice<T, kRun>(even, odd, end - begin, stages, unit, ring);
      if (slice + 1 < work.slices) {
        park(even, parked + slice * kPlace);
        begin = end;
        end = call.ends[work.ends + slice + 1];
      }
    }
    for (int slice = work.slices - 2; slice >= 0; --slice) add_parked(even, parked + slice * kPlace);
    // Read here, where `odd` needs no registers.
    const UnitWork next = unit_work(call, min(item + step, call.item_count - 1), unit);
    store<T>(even, call.out + work.row * call.outputs + work.column, call.outputs, work.rows);
    work = next;
  }
}

#endif

template <class T, int kRun>
__global__ void __launch_bounds__(kThreads, 1)
    chain_pair(const __grid_constant__ CUtensorMap x_map, const __grid_constant__ CUtensorMap w_map,
               const PairCall call) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ __align__(1024) unsigned char memory[];
  const Stages stages = {hopper::shared_address(memory)};
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      hopper::init_barrier(stages.full(stage), 1);
      hopper::init_barrier(stages.empty(stage), kCluster * kPairUnits * 4);  // each warp
    }
    hopper::publish_barriers();
  }
  hopper::cluster_sync();
  if (threadIdx.x < 128) {
    hopper::lower_registers<32>();
    if (threadIdx.x == 0) copy_items(call, stages, x_map, w_map);
  } else {
    hopper::raise_registers<160>();
    multiply_items<T, kRun>(call, stages);
  }
  hopper::cluster_sync();  // the other block may still arrive at barriers here
#else
  __trap();
#endif
}

int clusters_of_device() {
  int device = 0;
  int sms = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  return std::max(1, sms / kCluster);
}

template <class T, int kRun>
void launch(const CUtensorMap& x_map, const CUtensorMap& w_map, const PairCall& call, int clusters,
            cudaStream_t stream) {
  check_cuda(
      cudaFuncSetAttribute(chain_pair<T, kRun>, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes),
      "cudaFuncSetAttribute");
  cudaLaunchAttribute cluster = {};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {kCluster, 1, 1};
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(clusters * kCluster));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = kSharedBytes;
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = 1;
  check_cuda(cudaLaunchKernelEx(&config, chain_pair<T, kRun>, x_map, w_map, call), "chain_pair");
  check_launch("chain_pair", stream);
}

}  // namespace

ChainPairPlan::ChainPairPlan(const Schedule& taken, cudaStream_t stream) : clusters_(clusters_of_device()) {
  const PairWork work = pair_work(taken, clusters_);
  items_ = DeviceBuffer<PairItem>(std::span<const PairItem>(work.items), stream);
  ends_ = DeviceBuffer<int>(std::span<const int>(work.ends), stream);
  parked_ =
      DeviceBuffer<float4>(static_cast<std::size_t>(work.parked) * kCluster * kPairUnits * kParkedVectors);
  inputs_ = work.inputs;
  run_ = work.run;
}

void ChainPairPlan::run(const ProductOperands& operands, cudaStream_t stream) {
  if (items_.size() == 0) return;
  require(operands.inputs == inputs_, "the product that the plan was made for");
  const PairCall call = {.items = items_.data(),
                         .item_count = static_cast<int>(items_.size()),
                         .ends = ends_.data(),
                         .parked = parked_.data(),
                         .out = operands.out,
                         .outputs = operands.outputs,
                         .tiles = static_cast<int>(inputs_ / kPairTileK)};
  const CUtensorMap x_map = bulk_tensor_map(operands.x, operands.rows, inputs_, kPairUnitRows / kCluster);
  const CUtensorMap w_map = bulk_tensor_map(operands.w, operands.outputs, inputs_, kColumns);
  const int clusters = std::min(clusters_, call.item_count);
  with_activation(operands.dtype, [&](auto type) {
    using T = decltype(type);
    if (run_ == 16) return launch<T, 16>(x_map, w_map, call, clusters, stream);
    launch<T, 32>(x_map, w_map, call, clusters, stream);
  });
}

}  // namespace assay
