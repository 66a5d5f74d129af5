#include "engine/native/layer_problems.h"

#include "kernels/exllama.h"

namespace assay {

std::vector<LayerProblem> layer_problems(const ModelConfig& config, Dtype dtype) {
  const auto of = [&](Index inputs, Index outputs, const char* name) {
    LinearProblem problem{.rows = 1, .outputs = outputs, .inputs = inputs, .dtype = dtype};
    if (const auto& quantization = config.quantization) {
      problem.group_size = quantization->group_size.value_or(inputs);
      problem.zero_points = quantization->method == QuantizationMethod::awq || !quantization->symmetric;
    }
    return LayerProblem{problem, name};
  };
  const Index heads = config.heads * config.head_dim;
  return {of(config.hidden_size, heads + 2 * config.kv_heads * config.head_dim, "self_attn.qkv_proj"),
          of(heads, config.hidden_size, "self_attn.o_proj"),
          of(config.hidden_size, 2 * config.intermediate_size, "mlp.gate_up_proj"),
          of(config.intermediate_size, config.hidden_size, "mlp.down_proj")};
}

Result<void> check_layers(const std::vector<LayerProblem>& layers, const KernelChoice& kernel,
                          const DeviceSpec& device, const std::string& file) {
  const bool exllama = kernel.kernel == KernelName::exllama;
  for (const LayerProblem& layer : layers) {
    for (const Index rows : {exllama ? kExllamaMostRows + 1 : Index{1}, Index{2048}}) {
      LinearProblem problem = layer.problem;
      problem.rows = rows;
      const auto made = schedule_for(kernel, problem, device);
      if (made) continue;
      Error error = made.error();
      error.file = file;
      error.key = layer.name + (error.key.empty() ? "" : ": " + error.key);
      return error;
    }
  }
  return {};
}

}  // namespace assay
