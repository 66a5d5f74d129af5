#include "engine/native/cuda/device_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "checkpoint/layout.h"
#include "checkpoint/quantized_matrix.h"
#include "engine/native/cuda/uploader.h"
#include "engine/native/layer_problems.h"
#include "number/float16.h"

namespace assay {
namespace {

std::uint16_t to_16bit(Dtype dtype, float x) { return dtype == Dtype::fp16 ? to_fp16(x) : to_bf16(x); }

// A quantized linear of the file, its small parts as the device gets them.
struct PackedLinear {
  PackedQuantized file;
  std::vector<std::uint16_t> scales;    // [G, N]
  std::vector<std::int32_t> row_order;  // rows of W by group; empty: as the file
};

class Loader {
 public:
  Loader(const Weights& files, const ModelConfig& config, Dtype dtype, const WeightForm& form,
         ThreadPool& pool, cudaStream_t stream)
      : files_(files),
        config_(config),
        dtype_(dtype),
        form_(form),
        pool_(pool),
        stream_(stream),
        up_(pool, stream) {}

  const std::optional<Error>& error() const { return error_; }

  DeviceBuffer<std::uint16_t> halves(const std::string& name, const std::vector<Index>& shape) {
    const auto tensor = files_.find_16bit(name, shape, dtype_);
    if (!tensor) return fail(tensor.error()), DeviceBuffer<std::uint16_t>();
    const auto count = static_cast<std::size_t>(
        std::accumulate(shape.begin(), shape.end(), Index{1}, [](Index a, Index b) { return a * b; }));
    DeviceBuffer<std::uint16_t> buffer(count);
    up_.copy(
        count * 2,
        [&](std::size_t at, std::span<std::byte> piece) {
          const std::span bits(reinterpret_cast<std::uint16_t*>(piece.data()), piece.size() / 2);
          if (const auto read = tensor->read(static_cast<Index>(at / 2), bits); !read) fail(read.error());
        },
        buffer.data());
    return buffer;
  }

  DeviceLinear dense(const std::string& name, Index inputs, Index outputs) {
    DeviceLinear linear;
    linear.inputs = inputs;
    linear.outputs = outputs;
    linear.dense = halves(name, {outputs, inputs});
    return linear;
  }

  // Layers of equal input side by side.
  DeviceLinear fused(std::span<const LinearLayer> parts) {
    DeviceLinear whole;
    whole.inputs = parts[0].inputs;
    for (const LinearLayer& part : parts) whole.outputs += part.outputs;
    if (config_.quantization) {
      fill_quantized(parts, whole);
    } else {
      fill_dense(parts, whole);
    }
    fill_bias(parts, whole);
    return whole;
  }

 private:
  void fail(const Error& error) {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = error;
  }

  void fill_dense(std::span<const LinearLayer> parts, DeviceLinear& whole) {
    whole.dense = DeviceBuffer<std::uint16_t>(static_cast<std::size_t>(whole.inputs * whole.outputs));
    std::uint16_t* to = whole.dense.data();
    for (const LinearLayer& part : parts) {
      const auto bits = halves(part.name + ".weight", {part.outputs, part.inputs});
      if (error_) return;
      check_cuda(cudaMemcpyAsync(to, bits.data(), bits.size() * 2, cudaMemcpyDeviceToDevice, stream_),
                 "cudaMemcpyAsync");
      to += bits.size();
    }
  }

  void fill_bias(std::span<const LinearLayer> parts, DeviceLinear& whole) {
    if (!parts[0].has_bias) return;
    std::vector<std::uint16_t> bias;
    for (const LinearLayer& part : parts) {
      const auto bits = files_.read_16bit(part.name + ".bias", {part.outputs}, dtype_);
      if (!bits) return fail(bits.error());
      bias.insert(bias.end(), bits->begin(), bits->end());
    }
    whole.bias = DeviceBuffer<std::uint16_t>(std::span<const std::uint16_t>(bias), stream_);
  }

  void fill_quantized(std::span<const LinearLayer> parts, DeviceLinear& whole) {
    std::vector<PackedLinear> packed(parts.size());
    std::vector<std::uint16_t> output_scale;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      packed[i] = read(parts[i], output_scale);
      if (error_) return;
      if (packed[i].row_order != packed[0].row_order) {
        return fail({files_.files()[0].string(), parts[i].name + ".g_idx",
                     "the groups of the layers that it is fused with", "other groups"});
      }
    }
    const Index group_size = whole.inputs / packed[0].file.groups;
    whole.int4 = Int4Matrix(whole.inputs, whole.outputs, group_size, dtype_);
    if (!packed[0].row_order.empty()) {
      whole.input_order =
          DeviceBuffer<std::int32_t>(std::span<const std::int32_t>(packed[0].row_order), stream_);
    }
    if (!output_scale.empty()) {
      whole.output_scale = DeviceBuffer<std::uint16_t>(std::span<const std::uint16_t>(output_scale), stream_);
    }
    Index column = 0;
    for (const PackedLinear& part : packed) {
      fill(part, column, whole);
      column += part.file.columns;
    }
  }

  // `output_scale` gets the scales of columns of one group, where they are not in the weights.
  PackedLinear read(const LinearLayer& part, std::vector<std::uint16_t>& output_scale) {
    PackedLinear linear;
    auto file = read_packed(files_, *config_.quantization, part.name, part.inputs, part.outputs);
    if (!file) return fail(file.error()), linear;
    linear.file = *std::move(file);
    if (form_.sorts_by_group && config_.quantization->desc_act) {
      linear.row_order = order_by_group(linear.file.group_of_row);
    }
    const bool outside = form_.scales_columns_outside && linear.file.groups == 1;
    for (float& scale : linear.file.scales) {
      const std::uint16_t bits = to_16bit(dtype_, scale);
      if (outside) output_scale.push_back(bits);
      linear.scales.push_back(outside ? to_16bit(dtype_, 1.0F) : bits);
      // Beyond that a product of the scale with q - z might not be finite, which the CPU's loader looks at.
      if (const float most = dtype_ == Dtype::fp16 ? 4094.0F : 0x1p123F; !(std::abs(scale) <= most)) {
        return fail({linear.file.file, part.name + ".scales", fmt::format("at most {} on a GPU", most),
                     std::to_string(scale)}),
               linear;
      }
    }
    return linear;
  }

  void fill(const PackedLinear& part, Index column, DeviceLinear& whole) {
    const PackedQuantized& file = part.file;
    if (words_.size() < file.qweight.size() / 4) {
      wait(stream_);
      words_ = DeviceBuffer<std::uint32_t>(file.qweight.size() / 4);
    }
    up_.copy(file.qweight, words_.data());
    scales_ = DeviceBuffer<std::uint16_t>(std::span<const std::uint16_t>(part.scales), stream_);
    zeros_ = DeviceBuffer<std::uint8_t>(std::span<const std::uint8_t>(file.zeros), stream_);
    const PackedColumns columns{.column = column,
                                .columns = file.columns,
                                .qweight = words_.data(),
                                .scales = scales_.data(),
                                .zeros = zeros_.data(),
                                .row_order = part.row_order.empty() ? nullptr : whole.input_order.data()};
    if (file.method == QuantizationMethod::awq) {
      whole.int4.fill_awq(columns, stream_);
    } else {
      whole.int4.fill_gptq(columns, stream_);
    }
  }

  const Weights& files_;
  const ModelConfig& config_;
  Dtype dtype_;
  WeightForm form_;
  ThreadPool& pool_;
  cudaStream_t stream_;
  Uploader up_;
  DeviceBuffer<std::uint32_t> words_;  // of the linear on its way
  DeviceBuffer<std::uint16_t> scales_;
  DeviceBuffer<std::uint8_t> zeros_;
  std::mutex mutex_;
  std::optional<Error> error_;
};

DeviceLayer load_layer(Loader& loader, const ModelConfig& config, Index index) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::vector<LinearLayer> linears = decoder_linears(config, index);  // q, k, v, o, gate, up, down
  const std::span<const LinearLayer> all = linears;
  DeviceLayer layer;
  layer.input_norm = loader.halves(prefix + "input_layernorm.weight", {config.hidden_size});
  if (config.has_qk_norm) {
    layer.query_norm = loader.halves(prefix + "self_attn.q_norm.weight", {config.head_dim});
    layer.key_norm = loader.halves(prefix + "self_attn.k_norm.weight", {config.head_dim});
  }
  layer.post_attention_norm = loader.halves(prefix + "post_attention_layernorm.weight", {config.hidden_size});
  layer.linears = {loader.fused(all.subspan(0, 3)), loader.fused(all.subspan(3, 1)),
                   loader.fused(all.subspan(4, 2)), loader.fused(all.subspan(6, 1))};
  return layer;
}

}  // namespace

std::size_t device_bytes(const ModelConfig& config) {
  const auto halves = [](Index count) { return static_cast<std::size_t>(count) * 2; };
  std::size_t bytes =
      halves(config.vocabulary_size * config.hidden_size) * (config.tie_word_embeddings ? 1 : 2);
  std::size_t largest = 0;
  for (const LayerProblem& layer : layer_problems(config, Dtype::fp16)) {
    const Index weights = layer.problem.inputs * layer.problem.outputs;
    largest = std::max(largest, halves(weights));
    const auto layers = static_cast<std::size_t>(config.layers);
    bytes +=
        layers * (config.quantization ? static_cast<std::size_t>(weights) / 2 +
                                            static_cast<std::size_t>(weights / layer.problem.group_size) * 4
                                      : halves(weights));
  }
  return bytes + largest;
}

Result<DeviceWeights> load_device_weights(const Weights& files, const ModelConfig& config, Dtype dtype,
                                          const WeightForm& form, ThreadPool& pool, cudaStream_t stream) {
  if (const auto error = unsupported(files, config)) return *error;
  if (const auto layout = check_layout(files, config); !layout) return layout.error();
  Loader loader(files, config, dtype, form, pool, stream);
  DeviceWeights weights;
  for (Index i = 0; i < config.layers && !loader.error(); ++i) {
    weights.layers.push_back(load_layer(loader, config, i));
  }
  if (loader.error()) return *loader.error();
  weights.embedding =
      loader.halves("model.embed_tokens.weight", {config.vocabulary_size, config.hidden_size});
  weights.final_norm = loader.halves("model.norm.weight", {config.hidden_size});
  weights.lm_head.inputs = config.hidden_size;
  weights.lm_head.outputs = config.vocabulary_size;
  if (!config.tie_word_embeddings) {
    weights.lm_head = loader.dense("lm_head.weight", config.hidden_size, config.vocabulary_size);
  }
  if (loader.error()) return *loader.error();
  wait(stream);
  return weights;
}

}  // namespace assay
