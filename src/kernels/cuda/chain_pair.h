// Marlin's order at many rows on Hopper's tensor cores (wgmma): two interleaved accumulators an output, added at the end
// of each slice of K.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/chain_pair_work.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/product.h"
#include "kernels/schedule.h"

namespace assay {

// The regions of `cut` that ChainPairPlan takes; the others are left for chain_sum.h. Both keep all orders.
struct ChainPairSplit {
  Schedule taken;
  Schedule left;
};
ChainPairSplit split_for_chain_pair(const Schedule& cut, Index outputs, Index inputs);

class ChainPairPlan {
 public:
  ChainPairPlan() = default;
  ChainPairPlan(const Schedule& taken, cudaStream_t stream);
  // Writes the outputs of the regions taken; launches only. Not on two streams at once: the plan owns the memory in which
  // sums of slices wait.
  void run(const ProductOperands& operands, cudaStream_t stream);

 private:
  DeviceBuffer<PairItem> items_;
  DeviceBuffer<int> ends_;
  DeviceBuffer<float4> parked_;
  Index inputs_ = 0;
  Index run_ = 0;
  int clusters_ = 0;
};

}  // namespace assay
