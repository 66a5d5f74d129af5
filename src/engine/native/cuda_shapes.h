// What the CUDA kernels ask of a model's extents beyond what those of the CPU do.
#pragma once

#include <optional>

#include "base/error.h"
#include "checkpoint/config.h"

namespace assay {

// Nothing where they are all right. The Error names the key of config.json.
std::optional<Error> outside_cuda_kernels(const ModelConfig& config);

}  // namespace assay
