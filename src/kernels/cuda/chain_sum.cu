#include "kernels/cuda/chain_sum.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "kernels/cuda/chain_sum_tile.cuh"
#include "kernels/cuda/stack_order.h"

namespace assay {
namespace {

using chain_sum::Shape;

template <class Activation, class Shape>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kResident)
    chain_sum_kernel(ProductOperands product, DeviceScheduleView schedule, float4* partials, int depth) {
  extern __shared__ __align__(1024) unsigned char memory[];
  const auto shared = static_cast<std::uint32_t>(__cvta_generic_to_shared(memory));
  partials += static_cast<std::size_t>(blockIdx.x) * depth * Shape::kAccumulators * Shape::kThreads;
  for (int i = static_cast<int>(blockIdx.x); i < schedule.tile_count; i += static_cast<int>(gridDim.x)) {
    chain_sum::sum_tile<Activation, Shape>(product, schedule, schedule.tiles[i], partials, shared);
    __syncthreads();  // the next tile's stages overwrite what other warps may still load
  }
}

// Best first where there are many tiles; the last ones for few rows.
using Large = Shape<128, 256, 2, 4, 3, 1>;
using Medium = Shape<64, 128, 2, 2, 3, 3>;
using Narrow = Shape<32, 64, 2, 2, 6, 3>;
using Small = Shape<16, 64, 1, 4, 8, 2>;
constexpr int kShapes = 4;

template <class Body>
void with_shape(int shape, const Body& body) {
  if (shape == 0) return body(Large{});
  if (shape == 1) return body(Medium{});
  if (shape == 2) return body(Narrow{});
  body(Small{});
}

// Microseconds of a tile of K = 4096 that a multiprocessor has for itself, and of each further one (measured: H100).
struct TileTime {
  double first, further;
};
constexpr std::array<TileTime, kShapes> kTileTimes = {{{83, 83}, {34, 25}, {18, 12.5}, {15.3, 10.5}}};

struct Processors {
  int count = 0;
  int shared_bytes = 0;  // that a block may have
};

Processors processors_here() {
  int device = 0;
  Processors found;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&found.count, cudaDevAttrMultiProcessorCount, device),
             "cudaDeviceGetAttribute");
  check_cuda(cudaDeviceGetAttribute(&found.shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
             "cudaDeviceGetAttribute");
  return found;
}

template <class Shape>
Index tiles_in(const Schedule& cut) {
  Index tiles = 0;
  for (const Region& region : cut.regions) {
    tiles += ceil_div(region.rows, Shape::kRows) * ceil_div(region.columns, Shape::kColumns);
  }
  return tiles;
}

int best_shape(const Schedule& cut, const Processors& processors) {
  int best = kShapes - 1;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kShapes; ++i) {
    with_shape(i, [&](auto shape) {
      using Shape = decltype(shape);
      const auto rounds = static_cast<double>(ceil_div(tiles_in<Shape>(cut), processors.count));
      const TileTime tile = kTileTimes[static_cast<std::size_t>(i)];
      const double time = tile.first + (rounds - 1) * tile.further;
      if (Shape::kSharedBytes <= processors.shared_bytes && time < least) {
        least = time;
        best = i;
      }
    });
  }
  return best;
}

// Regions cut to bands of 16 tiles' rows, so that blocks at work at the same time share rows and columns in the cache.
void cut_to_bands(Schedule& schedule, Index rows) {
  std::vector<Region> bands;
  for (const Region& region : schedule.regions) {
    for (Index row = 0; row < region.rows; row += rows) {
      Region band = region;
      band.row += row;
      band.rows = std::min(rows, region.rows - row);
      bands.push_back(band);
    }
  }
  schedule.regions = std::move(bands);
}

bool runs_are_aligned(const Schedule& schedule) {
  return std::ranges::all_of(schedule.orders, [](const SumOrder& order) {
    return std::ranges::all_of(order.walks, [](const Walk& walk) {
      return walk.first % chain_sum::kPieceSize == 0 &&
             (walk.stride % chain_sum::kPieceSize == 0 || walk.count <= 1);
    });
  });
}

}  // namespace

ChainSumPlan::ChainSumPlan(const Schedule& cut, cudaStream_t stream) {
  require(runs_are_aligned(cut), "runs begin at multiples of 8");
  const Processors processors = processors_here();
  shape_ = best_shape(cut, processors);
  StackSchedule order = in_stack_order(cut);
  depth_ = static_cast<int>(order.depth);
  with_shape(shape_, [&](auto shape) {
    using Shape = decltype(shape);
    cut_to_bands(order.schedule, 16 * Shape::kRows);
    schedule_ = DeviceSchedule(order.schedule, Shape::kRows, Shape::kColumns, stream);
    int resident = 0;
    for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
      with_activation(dtype, [&](auto activation) {
        const auto kernel = chain_sum_kernel<decltype(activation), Shape>;
        check_cuda(
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, Shape::kSharedBytes),
            "cudaFuncSetAttribute");
        check_cuda(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, Shape::kThreads,
                                                                 Shape::kSharedBytes),
                   "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
      });
    }
    blocks_ = std::min(schedule_.view().tile_count, processors.count * resident);
    partials_ = DeviceBuffer<float4>(static_cast<std::size_t>(blocks_) * depth_ * Shape::kAccumulators *
                                     Shape::kThreads);
  });
}

void ChainSumPlan::run(const ProductOperands& operands, cudaStream_t stream) {
  if (blocks_ == 0) return;
  with_activation(operands.dtype, [&](auto activation) {
    with_shape(shape_, [&](auto shape) {
      using Shape = decltype(shape);
      chain_sum_kernel<decltype(activation), Shape>
          <<<blocks_, Shape::kThreads, Shape::kSharedBytes, stream>>>(operands, schedule_.view(),
                                                                      partials_.data(), depth_);
    });
  });
  check_launch("chain_sum", stream);
}

}  // namespace assay
