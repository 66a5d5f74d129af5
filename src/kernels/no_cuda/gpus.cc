#include "kernels/gpus.h"

#include "base/error.h"

namespace assay {

bool has_cuda() { return false; }

GpuList list_gpus() { return {{}, "this build has no CUDA"}; }

Gpu current_gpu() { throw Fault("this build has no CUDA"); }

std::optional<Family> family_of_capability(int) { return std::nullopt; }

bool gpu_has_arithmetic(const Gpu&, Family, Dtype) { return false; }

}  // namespace assay
