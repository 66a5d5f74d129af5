// The products of a decoder layer as recipes see them, and whether a kernel takes them.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/config.h"
#include "kernels/recipes/choose.h"

namespace assay {

struct LayerProblem {
  LinearProblem problem;  // of one row
  const char* name;       // of the fused layer in vLLM
};

// qkv, output, gate_up, down, in the order in which they run; every layer has the same shapes.
std::vector<LayerProblem> layer_problems(const ModelConfig& config, Dtype dtype);

// Error (key = the layer's name): the kernel's own reason for not taking one. `file` is the model's config.json.
Result<void> check_layers(const std::vector<LayerProblem>& layers, const KernelChoice& kernel,
                          const DeviceSpec& device, const std::string& file);

}  // namespace assay
