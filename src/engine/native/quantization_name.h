// The names that vLLM gives quantization methods with their kernels, and which checkpoints each can run.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "checkpoint/config.h"
#include "kernels/recipes/choose.h"
#include "number/dtype.h"

namespace assay {

// Error: an unknown name (lists the known ones), a checkpoint of another method, or one that vLLM's kernel of
// that name refuses. `file` is the model's config.json.
Result<void> check_quantization(std::string_view name, const ModelConfig& config, Dtype dtype,
                                const std::string& file);

// Error: a GPTQ checkpoint with zero points of its own for a kernel that takes 8 for all (Marlin and Machete, also
// where `kernel:` names them).
Result<void> check_kernel(const KernelChoice& kernel, const ModelConfig& config, const std::string& file);

}  // namespace assay
