// The decoder on a CUDA device. A build without CUDA has the same functions, which refuse (no_cuda/).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "engine/native/decoder_backend.h"
#include "engine/native/decoder_weights.h"
#include "kernels/recipes/choose.h"

namespace assay {

// Why no CUDA device here can run the kernel under the arithmetic of `device`: no CUDA in this build, no driver, no GPU,
// an architecture that is not built for or that cannot emulate the device, a kernel that has no CUDA form, extents that
// the CUDA kernels do not take. Nothing: the current GPU can.
std::optional<Error> cuda_refusal(const ModelConfig& config, const KernelChoice& kernel,
                                  const DeviceSpec& device, Dtype dtype);

struct CudaOpening {
  const std::string& model;  // names it in errors
  const ModelConfig& config;
  const DeviceSpec& device;  // whose arithmetic
  const KernelChoice& kernel;
  Dtype dtype;
  WeightForm form;
};

// Copies the weights to the device. Error: what load_decoder refuses; too little device memory (before anything is
// copied; says how much is needed). Calls that fail later throw GpuFailure. `pool` must outlive the backend.
Result<std::unique_ptr<DecoderBackend>> open_cuda_backend(const CudaOpening& opening, const Weights& files,
                                                          ThreadPool& pool);

}  // namespace assay
