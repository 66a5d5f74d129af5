#include "engine/native/cuda_backend.h"

namespace assay {

std::optional<Error> cuda_refusal(const ModelConfig&, const KernelChoice&, const DeviceSpec&, Dtype) {
  return Error{"", "processor", "cpu: this build has no CUDA", "cuda"};
}

Result<std::unique_ptr<DecoderBackend>> open_cuda_backend(const CudaOpening& opening, const Weights&,
                                                          ThreadPool&) {
  return *cuda_refusal(opening.config, opening.kernel, opening.device, opening.dtype);
}

}  // namespace assay
