#include "engine/native/decoder_weights.h"

#include <algorithm>
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
  Loader(const Weights& weights, const ModelConfig& config, Dtype dtype, const WeightForm& form)
      : weights_(weights), config_(config), dtype_(dtype), form_(form) {}

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

  Linear dense(const std::string& name, Index inputs, Index outputs) {
    const auto values = halves(name, {outputs, inputs});
    Linear linear;
    if (!error_) linear.weight = pack_transposed(values, inputs, outputs, dtype_);
    return linear;
  }

  Linear quantized(const std::string& name, Index inputs, Index outputs) {
    auto matrix = read_quantized(weights_, *config_.quantization, name, inputs, outputs);
    if (!matrix) return fail(matrix.error());
    Linear linear;
    linear.group_size = inputs / matrix->groups;
    linear.zero_points =
        config_.quantization->method == QuantizationMethod::awq || !config_.quantization->symmetric;
    if (form_.sorts_by_group && config_.quantization->desc_act) linear.input_order = sort_by_group(*matrix);
    if (form_.scales_columns_outside && matrix->groups == 1) {
      for (const float scale : matrix->scales) {
        linear.output_scale.push_back(dtype_ == Dtype::fp16 ? round_to_fp16(scale) : round_to_bf16(scale));
      }
      std::fill(matrix->scales.begin(), matrix->scales.end(), 1.0F);
    }
    auto values = dequantize(*matrix, dtype_);
    if (!values) return fail(values.error());
    linear.weight = pack_rows(*values, inputs, outputs, dtype_);
    if (form_.keeps_integers) linear.integers = integers_of(*std::move(matrix));
    return linear;
  }

  // Layers of equal input side by side.
  Linear fused(std::span<const LinearLayer> parts) {
    Linear whole;
    std::vector<PackedMatrix> matrices;
    std::vector<IntegerMatrix> integers;
    for (const LinearLayer& part : parts) {
      Linear linear = config_.quantization ? quantized(part.name, part.inputs, part.outputs)
                                           : dense(part.name + ".weight", part.inputs, part.outputs);
      if (error_) return {};
      const bool other_integers =
          !integers.empty() && linear.integers->input_order != integers[0].input_order;
      if (!matrices.empty() && (linear.input_order != whole.input_order || other_integers)) {
        return fail({weights_.files()[0].string(), part.name + ".g_idx",
                     "the groups of the layers that it is fused with", "other groups"});
      }
      matrices.push_back(std::move(linear.weight));
      if (linear.integers) integers.push_back(*std::move(linear.integers));
      whole.input_order = std::move(linear.input_order);
      whole.group_size = linear.group_size;
      whole.zero_points = linear.zero_points;
      whole.output_scale.insert(whole.output_scale.end(), linear.output_scale.begin(),
                                linear.output_scale.end());
      if (!part.has_bias) continue;
      const std::vector<float> bias = vector(part.name + ".bias", part.outputs);
      whole.bias.insert(whole.bias.end(), bias.begin(), bias.end());
    }
    whole.weight = matrices.size() == 1 ? std::move(matrices[0]) : concatenate(matrices);
    if (!integers.empty()) whole.integers = concatenate(integers);
    return whole;
  }

 private:
  template <class T>
  T keep(Result<T> result) {
    if (result) return *std::move(result);
    if (!error_) error_ = result.error();
    return T{};
  }
  Linear fail(const Error& error) {
    if (!error_) error_ = error;
    return {};
  }
  IntegerMatrix integers_of(QuantizedMatrix matrix) const {
    std::vector<std::int32_t> order;
    if (config_.quantization->desc_act) order = sort_by_group(matrix);
    std::vector<std::int8_t> values(matrix.q.size());
    for (Index k = 0; k < matrix.rows; ++k) {
      const std::int16_t* zeros =
          matrix.zeros.data() + matrix.group_of_row[static_cast<std::size_t>(k)] * matrix.columns;
      for (Index n = 0; n < matrix.columns; ++n) {
        const auto at = static_cast<std::size_t>(k * matrix.columns + n);
        values[at] = static_cast<std::int8_t>(matrix.q[at] - zeros[n]);
      }
    }
    for (float& scale : matrix.scales) scale = round_to_fp16(scale);
    IntegerMatrix packed =
        pack_integers(values, matrix.scales, matrix.rows, matrix.columns, matrix.rows / matrix.groups);
    packed.input_order = std::move(order);
    return packed;
  }
  // Puts the rows in the order of their groups; returns which row went where.
  static std::vector<std::int32_t> sort_by_group(QuantizedMatrix& matrix) {
    std::vector<std::int32_t> order = order_by_group(matrix.group_of_row);
    const std::vector<std::uint8_t> q = matrix.q;
    for (std::size_t k = 0; k < order.size(); ++k) {
      std::copy_n(q.begin() + order[k] * matrix.columns, matrix.columns,
                  matrix.q.begin() + static_cast<Index>(k) * matrix.columns);
    }
    std::sort(matrix.group_of_row.begin(), matrix.group_of_row.end());
    return order;
  }

  const Weights& weights_;
  const ModelConfig& config_;
  Dtype dtype_;
  WeightForm form_;
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

}  // namespace

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

Result<DecoderWeights> load_decoder(const Weights& weights, const ModelConfig& config, Dtype dtype,
                                    const WeightForm& form, ThreadPool& pool) {
  if (const auto error = unsupported(weights, config)) return *error;
  if (const auto layout = check_layout(weights, config); !layout) return layout.error();

  DecoderWeights decoder;
  decoder.layers.resize(static_cast<std::size_t>(config.layers));
  std::vector<std::optional<Error>> errors(decoder.layers.size());
  pool.parallel_for(config.layers, [&](Index i) {
    Loader loader(weights, config, dtype, form);
    decoder.layers[static_cast<std::size_t>(i)] = load_layer(loader, config, i);
    errors[static_cast<std::size_t>(i)] = loader.error();
  });
  for (const auto& error : errors) {
    if (error) return *error;
  }

  Loader loader(weights, config, dtype, form);
  decoder.embedding =
      loader.halves("model.embed_tokens.weight", {config.vocabulary_size, config.hidden_size});
  decoder.final_norm = loader.vector("model.norm.weight", config.hidden_size);
  const char* head = config.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
  decoder.lm_head = loader.dense(head, config.hidden_size, config.vocabulary_size);
  if (loader.error()) return *loader.error();
  return decoder;
}

}  // namespace assay
