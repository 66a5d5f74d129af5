#include "engine/native/cuda_shapes.h"

#include <fmt/format.h>

#include "engine/native/layer_problems.h"

namespace assay {

std::optional<Error> outside_cuda_kernels(const ModelConfig& config) {
  const auto refuse = [](const char* key, std::string expected, Index found) {
    return Error{"", key, std::move(expected) + " on a GPU", std::to_string(found)};
  };
  constexpr Index kMostHeadDim = 128;  // attention_plain
  if (config.head_dim > kMostHeadDim) {
    return refuse("head_dim", fmt::format("at most {}", kMostHeadDim), config.head_dim);
  }
  constexpr Index kMostHidden = 16384;  // rms_norm
  if (config.hidden_size > kMostHidden) {
    return refuse("hidden_size", fmt::format("at most {}", kMostHidden), config.hidden_size);
  }
  if (config.vocabulary_size % 8 != 0) {
    return refuse("vocab_size", "a multiple of 8", config.vocabulary_size);
  }
  // Four-bit weights are stored in strips of 32 outputs by 32 inputs; dense products go in steps of 16 inputs.
  const Index step = config.quantization ? 32 : 16;
  for (const LayerProblem& layer : layer_problems(config, Dtype::fp16)) {
    for (const Index extent : {layer.problem.inputs, layer.problem.outputs, layer.problem.group_size}) {
      if (extent % step != 0) return refuse(layer.name, fmt::format("extents that {} divides", step), extent);
    }
  }
  if (config.quantization) {  // the parts of a fused layer begin at strips too
    const Index kv = config.kv_heads * config.head_dim;
    if (kv % step != 0) return refuse("num_key_value_heads", "heads of 32 columns together", kv);
    if (config.intermediate_size % step != 0) {
      return refuse("intermediate_size", "a multiple of 32", config.intermediate_size);
    }
  }
  return std::nullopt;
}

}  // namespace assay
