// The CUDA devices of this machine. A build without CUDA sees none (no_cuda/).
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/device.h"
#include "number/dtype.h"

namespace assay {

// A CUDA call or a kernel failed in mid-run. The message names the call or the kernel, CUDA's reason and the
// caller's line.
class GpuFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Gpu {
  std::string name;
  int capability = 0;  // 90 is 9.0
  int sm_count = 0;
  std::size_t memory = 0;       // bytes
  std::size_t free_memory = 0;  // bytes, now
};

// Whether this build has the CUDA engine.
bool has_cuda();

// What the driver lists. `reason`, where there is none: no CUDA in this build, no driver, no device.
struct GpuList {
  std::vector<Gpu> gpus;
  std::string reason;
};
GpuList list_gpus();

// The device that this thread's CUDA calls go to; Fault where there is none.
Gpu current_gpu();

// Whose tensor cores a GPU of that compute capability has, where code is built for it.
std::optional<Family> family_of_capability(int capability);

// Whether the GPU's own tensor cores multiply and add `dtype` as those of `family` do.
bool gpu_has_arithmetic(const Gpu& gpu, Family family, Dtype dtype);

}  // namespace assay
