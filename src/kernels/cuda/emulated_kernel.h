// The kernels behind emulated_product.h, as its plan launches them.
#pragma once

#include <cuda_runtime_api.h>

#include "emulator/device.h"
#include "kernels/cuda/device_schedule.h"
#include "kernels/cuda/product.h"

namespace assay {

// How many rows a tile has: few at decode, so that many blocks share the product.
enum class TileSize : std::uint8_t { few_rows, small, large };

// `partials`: most_walks * tile_rows * tile_columns for each block.
struct EmulatedKernel {
  void (*function)(ProductOperands operands, DeviceScheduleView schedule, float* partials);
  int threads;
  int shared_bytes;
  int tile_rows;
  int tile_columns;
};

// Steps of a family's tensor cores, on Hopper's. Fault: a family that does not multiply this type.
EmulatedKernel emulated_steps_kernel(Family family, Dtype dtype, TileSize size);

// `ieee` and `exact`.
EmulatedKernel fma_chain_kernel(Family family, Dtype dtype, TileSize size);

}  // namespace assay
