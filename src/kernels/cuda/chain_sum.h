// The plain product on the tensor cores: any schedule, one mma.sync m16n8k16 after another.
#pragma once

#include "kernels/cuda/device_schedule.h"
#include "kernels/cuda/product.h"

namespace assay {

class ChainSumPlan {
 public:
  ChainSumPlan() = default;
  // Fault: FP16 accumulators, walks whose runs do not begin at multiples of 8.
  ChainSumPlan(const Schedule& cut, cudaStream_t stream);
  void run(const ProductOperands& operands, cudaStream_t stream);  // launches only

 private:
  DeviceSchedule schedule_;
  DeviceBuffer<float4> partials_;  // [blocks_][depth_][a tile]: sums of walks that wait for others
  int depth_ = 0;
  int shape_ = 0;  // of the tiles: chain_sum.cu
  int blocks_ = 0;
};

}  // namespace assay
