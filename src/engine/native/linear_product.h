// Runs linear layers by the kernel that was chosen, whatever the rows of the pass.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "engine/native/decoder_weights.h"
#include "kernels/compute.h"
#include "kernels/recipes/choose.h"

namespace assay {

// Keeps the schedules it has made. One call at a time.
class LinearProduct {
 public:
  LinearProduct(const KernelChoice& kernel, const Compute& compute) : kernel_(kernel), compute_(compute) {}

  // y = RN(x W), then the layer's own output scale and bias. `x` and `out` point to the first of `rows`,
  // which lie in a pass of `pass_rows`. `noise` orders what the kernel leaves to chance in this product.
  // Fault: a layer that the kernel does not take (layer_problems.h).
  void run(const Linear& linear, Index pass_rows, RowRange rows, const float* x, float* out,
           std::uint64_t noise = 0);

 private:
  const Schedule& schedule(const Linear& linear, Index pass_rows);
  std::vector<float> gather(const float* x, Index rows, const std::vector<std::int32_t>& order) const;

  using Key = std::tuple<Index, Index, Index>;  // rows, outputs, inputs
  KernelChoice kernel_;
  Compute compute_;
  std::map<Key, Schedule> schedules_;
};

}  // namespace assay
