#include "checkpoint/layout.h"

#include <algorithm>
#include <set>

namespace assay {
namespace {

std::string prefix_of(Index layer) { return "model.layers." + std::to_string(layer) + "."; }

// Checks the tensors that are asked for, and remembers their names.
class LayoutCheck {
 public:
  LayoutCheck(const Weights& weights, const ModelConfig& config) : weights_(weights), config_(config) {}

  Result<void> dense(const std::string& name, const std::vector<Index>& shape) {
    known_.insert(name);
    const auto tensor = weights_.find(name);
    if (!tensor) return tensor.error();
    const Tensor& found = **tensor;
    if (found.shape == shape) return {};
    return Error{found.file, name, "shape " + describe_shape(shape), describe_shape(found.shape)};
  }

  // read_quantized checks the shapes of packed tensors; here they must be there.
  Result<void> linear(const LinearLayer& layer, bool quantized) {
    linears_.insert(layer.name);
    if (layer.has_bias) {
      if (auto bias = dense(layer.name + ".bias", {layer.outputs}); !bias) return bias;
    }
    if (!quantized) return dense(layer.name + ".weight", {layer.outputs, layer.inputs});
    for (const char* part : {".qweight", ".qzeros", ".scales"}) {
      known_.insert(layer.name + part);
      if (auto tensor = weights_.find(layer.name + part); !tensor) return tensor.error();
    }
    if (config_.quantization->method == QuantizationMethod::gptq) known_.insert(layer.name + ".g_idx");
    return {};
  }

  Result<void> refuse_others() const {
    for (const auto& [name, tensor] : weights_.tensors()) {
      if (known_.contains(name) || changes_nothing(name, tensor)) continue;
      return Error{tensor.file, name,
                   "only the tensors of a " + std::string(name_of(config_.architecture)) + " model",
                   tensor.dtype + " " + describe_shape(tensor.shape)};
    }
    return {};
  }

 private:
  bool changes_nothing(const std::string& name, const Tensor& tensor) const {
    if (name.ends_with(".rotary_emb.inv_freq")) return true;
    if (name == "lm_head.weight") return config_.tie_word_embeddings;
    const bool is_bias = name.ends_with(".bias") && linears_.contains(name.substr(0, name.size() - 5));
    return is_bias && std::all_of(tensor.bytes.begin(), tensor.bytes.end(),
                                  [](std::byte b) { return b == std::byte{0}; });
  }

  const Weights& weights_;
  const ModelConfig& config_;
  std::set<std::string> known_;
  std::set<std::string> linears_;
};

Result<void> check_layer(LayoutCheck& check, const ModelConfig& config, Index layer) {
  const std::string prefix = prefix_of(layer);
  for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"}) {
    if (auto found = check.dense(prefix + norm, {config.hidden_size}); !found) return found;
  }
  if (config.has_qk_norm) {
    for (const char* norm : {"self_attn.q_norm.weight", "self_attn.k_norm.weight"}) {
      if (auto found = check.dense(prefix + norm, {config.head_dim}); !found) return found;
    }
  }
  for (const LinearLayer& linear : decoder_linears(config, layer)) {
    if (auto found = check.linear(linear, config.quantization.has_value()); !found) return found;
  }
  return {};
}

}  // namespace

std::vector<LinearLayer> decoder_linears(const ModelConfig& config, Index layer) {
  const std::string prefix = prefix_of(layer);
  const Index hidden = config.hidden_size;
  const Index inner = config.intermediate_size;
  const Index queries = config.heads * config.head_dim;
  const Index keys = config.kv_heads * config.head_dim;
  const bool bias = config.has_qkv_bias;
  return {
      {prefix + "self_attn.q_proj", hidden, queries, bias},
      {prefix + "self_attn.k_proj", hidden, keys, bias},
      {prefix + "self_attn.v_proj", hidden, keys, bias},
      {prefix + "self_attn.o_proj", queries, hidden, false},
      {prefix + "mlp.gate_proj", hidden, inner, false},
      {prefix + "mlp.up_proj", hidden, inner, false},
      {prefix + "mlp.down_proj", inner, hidden, false},
  };
}

Result<void> check_layout(const Weights& weights, const ModelConfig& config) {
  LayoutCheck check(weights, config);
  const std::vector<Index> embedding = {config.vocabulary_size, config.hidden_size};
  if (auto found = check.dense("model.embed_tokens.weight", embedding); !found) return found;
  if (auto found = check.dense("model.norm.weight", {config.hidden_size}); !found) return found;
  if (!config.tie_word_embeddings) {
    const LinearLayer head{"lm_head", config.hidden_size, config.vocabulary_size, false};
    if (auto found = check.linear(head, config.quantization && config.quantization->lm_head); !found)
      return found;
  }
  for (Index layer = 0; layer < config.layers; ++layer) {
    if (auto found = check_layer(check, config, layer); !found) return found;
  }
  return check.refuse_others();
}

}  // namespace assay
