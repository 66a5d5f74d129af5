#include "engine/native/decoder_weights.h"

#include <optional>
#include <span>
#include <utility>

#include "checkpoint/layout.h"
#include "checkpoint/quantized_matrix.h"
#include "number/float16.h"

namespace assay {
namespace {

// Reads tensors of one model; remembers the first error, after which reads return nothing useful.
class Loader {
 public:
  Loader(const Weights& weights, const ModelConfig& config, Dtype dtype)
      : weights_(weights), config_(config), dtype_(dtype) {}

  const std::optional<Error>& error() const { return error_; }

  std::vector<std::uint16_t> halves(const std::string& name, const std::vector<Index>& shape) {
    return keep(weights_.read_16bit(name, shape, dtype_));
  }

  std::vector<float> vector(const std::string& name, Index length) {
    std::vector<float> values;
    for (const std::uint16_t bits : halves(name, {length})) {
      values.push_back(dtype_ == Dtype::fp16 ? from_fp16(bits) : from_bf16(bits));
    }
    return values;
  }

  PackedMatrix dense(const std::string& name, Index inputs, Index outputs) {
    const auto values = halves(name, {outputs, inputs});
    return error_ ? PackedMatrix{} : pack_transposed(values, inputs, outputs, dtype_);
  }

  PackedMatrix quantized(const std::string& name, Index inputs, Index outputs) {
    auto matrix = read_quantized(weights_, *config_.quantization, name, inputs, outputs);
    if (!matrix) return fail(matrix.error());
    auto values = dequantize(*matrix, dtype_);
    if (!values) return fail(values.error());
    return pack_rows(*values, inputs, outputs, dtype_);
  }

  // Layers of equal input side by side.
  Linear fused(std::span<const LinearLayer> parts) {
    Linear linear;
    std::vector<PackedMatrix> matrices;
    for (const LinearLayer& part : parts) {
      matrices.push_back(config_.quantization ? quantized(part.name, part.inputs, part.outputs)
                                              : dense(part.name + ".weight", part.inputs, part.outputs));
      if (error_) return {};
      if (!part.has_bias) continue;
      const std::vector<float> bias = vector(part.name + ".bias", part.outputs);
      linear.bias.insert(linear.bias.end(), bias.begin(), bias.end());
    }
    linear.weight = matrices.size() == 1 ? std::move(matrices[0]) : concatenate(matrices);
    return linear;
  }

 private:
  template <class T>
  T keep(Result<T> result) {
    if (result) return *std::move(result);
    if (!error_) error_ = result.error();
    return T{};
  }
  PackedMatrix fail(const Error& error) {
    if (!error_) error_ = error;
    return {};
  }

  const Weights& weights_;
  const ModelConfig& config_;
  Dtype dtype_;
  std::optional<Error> error_;
};

DecoderLayer load_layer(Loader& loader, const ModelConfig& config, Index index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::vector<LinearLayer> linears = decoder_linears(config, index);  // q, k, v, o, gate, up, down
  const std::span<const LinearLayer> all = linears;
  DecoderLayer layer;
  layer.input_norm = loader.vector(prefix + "input_layernorm.weight", config.hidden_size);
  layer.qkv = loader.fused(all.subspan(0, 3));
  if (config.has_qk_norm) {
    layer.query_norm = loader.vector(prefix + "self_attn.q_norm.weight", config.head_dim);
    layer.key_norm = loader.vector(prefix + "self_attn.k_norm.weight", config.head_dim);
  }
  layer.output = loader.fused(all.subspan(3, 1));
  layer.post_attention_norm = loader.vector(prefix + "post_attention_layernorm.weight", config.hidden_size);
  layer.gate_up = loader.fused(all.subspan(4, 2));
  layer.down = loader.fused(all.subspan(6, 1));
  return layer;
}

// What the kernels ask of a configuration beyond what the checkpoint does.
std::optional<Error> unsupported(const Weights& weights, const ModelConfig& config) {
  const std::string file =
      weights.files().empty() ? "" : (weights.files()[0].parent_path() / "config.json").string();
  if (config.head_dim % 16 != 0)
    return Error{file, "head_dim", "a multiple of 16", std::to_string(config.head_dim)};
  if (config.intermediate_size % kPanelColumns != 0) {
    return Error{file, "intermediate_size", "a multiple of 16", std::to_string(config.intermediate_size)};
  }
  if (config.quantization && config.quantization->lm_head) {
    return Error{file, "quantization_config.lm_head", "false", "true"};
  }
  return std::nullopt;
}

}  // namespace

Result<DecoderWeights> load_decoder(const Weights& weights, const ModelConfig& config, Dtype dtype,
                                    ThreadPool& pool) {
  if (const auto error = unsupported(weights, config)) return *error;
  if (const auto layout = check_layout(weights, config); !layout) return layout.error();

  DecoderWeights decoder;
  decoder.layers.resize(static_cast<std::size_t>(config.layers));
  std::vector<std::optional<Error>> errors(decoder.layers.size());
  pool.parallel_for(config.layers, [&](Index i) {
    Loader loader(weights, config, dtype);
    decoder.layers[static_cast<std::size_t>(i)] = load_layer(loader, config, i);
    errors[static_cast<std::size_t>(i)] = loader.error();
  });
  for (const auto& error : errors) {
    if (error) return *error;
  }

  Loader loader(weights, config, dtype);
  decoder.embedding =
      loader.halves("model.embed_tokens.weight", {config.vocabulary_size, config.hidden_size});
  decoder.final_norm = loader.vector("model.norm.weight", config.hidden_size);
  const char* head = config.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  decoder.lm_head = loader.dense(head, config.hidden_size, config.vocabulary_size);
  if (loader.error()) return *loader.error();
  return decoder;
}

}  // namespace assay
