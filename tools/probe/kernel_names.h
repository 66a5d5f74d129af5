// Which kernels a library call launches: the call is captured into a graph and the graph's nodes are read.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace assay_probe {

struct KernelLaunch {
  std::string name;  // mangled; "?" where the driver does not tell
  std::array<unsigned, 3> grid{};
  std::array<unsigned, 3> block{};
  unsigned shared_bytes = 0;
};

// `call` launches into `stream` and does not wait. It has run once before, so that nothing is loaded while
// capturing. Empty where the call cannot be captured.
std::vector<KernelLaunch> captured_kernels(cudaStream_t stream, const std::function<void()>& call);

}  // namespace assay_probe
