// Products under the arithmetic of another GPU, or of `ieee` and `exact`: any schedule. On Hopper.
#pragma once

#include "emulator/device.h"
#include "kernels/cuda/device_schedule.h"
#include "kernels/cuda/emulated_kernel.h"
#include "kernels/cuda/product.h"

namespace assay {

class EmulatedProductPlan {
 public:
  EmulatedProductPlan() = default;
  // Fault: a family that does not multiply this type; with `ieee` and `exact`, walks that are not contiguous.
  EmulatedProductPlan(const Schedule& cut, Family family, Dtype dtype, cudaStream_t stream);
  void run(const ProductOperands& operands, cudaStream_t stream);  // launches only

 private:
  EmulatedKernel kernel_ = {};
  int blocks_ = 0;
  DeviceSchedule schedule_;
  DeviceBuffer<float> partials_;  // of the walks of the tiles in work
};

}  // namespace assay
