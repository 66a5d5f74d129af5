#include "kernels/cuda/emulated_product.h"

#include <algorithm>

#include "base/error.h"

namespace assay {
namespace {

constexpr std::size_t kMostPartials = std::size_t{1} << 28;  // bytes, unless one block needs more

TileSize tile_size(const Schedule& cut) {
  Index rows = 0;
  Index outputs = 0;
  for (const Region& region : cut.regions) {
    rows = std::max(rows, region.row + region.rows);
    outputs += region.rows * region.columns;
  }
  if (rows <= 16) return TileSize::few_rows;
  constexpr Index kEnoughLargeTiles = 264;  // two for each multiprocessor
  return outputs < kEnoughLargeTiles * 64 * 128 ? TileSize::small : TileSize::large;
}

bool has_steps(Family family) { return family != Family::ieee && family != Family::exact; }

int blocks_at_once(const EmulatedKernel& kernel) {
  int device = 0;
  int multiprocessors = 0;
  int blocks = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
             "cudaDeviceGetAttribute");
  check_cuda(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel.function, kernel.threads,
                                                           static_cast<std::size_t>(kernel.shared_bytes)),
             "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  require(blocks > 0, "the kernel fits a multiprocessor");
  return multiprocessors * blocks;
}

}  // namespace

EmulatedProductPlan::EmulatedProductPlan(const Schedule& cut, Family family, Dtype dtype,
                                         cudaStream_t stream) {
  const TileSize size = tile_size(cut);
  kernel_ =
      has_steps(family) ? emulated_steps_kernel(family, dtype, size) : fma_chain_kernel(family, dtype, size);
  if (!has_steps(family)) {
    for (const SumOrder& order : cut.orders) {
      for (const Walk& walk : order.walks) require(walk.count == 1, "ieee and exact add in k order");
    }
  }
  schedule_ = DeviceSchedule(cut, kernel_.tile_rows, kernel_.tile_columns, stream);
  check_cuda(cudaFuncSetAttribute(kernel_.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  kernel_.shared_bytes),
             "cudaFuncSetAttribute");
  const auto block_partials = static_cast<std::size_t>(schedule_.view().most_walks) *
                              static_cast<std::size_t>(kernel_.tile_rows * kernel_.tile_columns);
  const auto most =
      std::max<std::size_t>(1, kMostPartials / sizeof(float) / std::max<std::size_t>(1, block_partials));
  blocks_ = std::min({schedule_.view().tile_count, blocks_at_once(kernel_),
                      static_cast<int>(std::min<std::size_t>(most, 1U << 20U))});
  partials_ = DeviceBuffer<float>(static_cast<std::size_t>(blocks_) * block_partials);
}

void EmulatedProductPlan::run(const ProductOperands& operands, cudaStream_t stream) {
  if (blocks_ == 0) return;
  ProductOperands product = operands;
  DeviceScheduleView schedule = schedule_.view();
  float* partials = partials_.data();
  void* arguments[] = {&product, &schedule, &partials};
  check_cuda(
      cudaLaunchKernel(reinterpret_cast<const void*>(kernel_.function), dim3(static_cast<unsigned>(blocks_)),
                       dim3(static_cast<unsigned>(kernel_.threads)), arguments,
                       static_cast<std::size_t>(kernel_.shared_bytes), stream),
      "cudaLaunchKernel");
  check_launch("emulated_product", stream);
}

}  // namespace assay
