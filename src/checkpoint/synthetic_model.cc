#include "checkpoint/synthetic_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/splitmix.h"
#include "checkpoint/layout.h"
#include "checkpoint/synthetic_values.h"

namespace assay {
namespace {

constexpr Index kGroup = 128;

struct Shape {
  std::string_view name;
  Index vocabulary, hidden, intermediate, layers, heads, kv_heads, head_dim, context;
};

constexpr Shape kShapes[] = {{"tiny", 512, 256, 1024, 2, 4, 2, 64, 8192},
                             {"small", 8192, 1024, 3072, 8, 16, 8, 128, 8192},
                             {"qwen3-8b", 151936, 4096, 12288, 36, 32, 8, 128, 40960}};

Json quantization_json(QuantizationMethod method) {
  if (method == QuantizationMethod::awq) {
    return {{"quant_method", "awq"},
            {"bits", 4},
            {"group_size", kGroup},
            {"zero_point", true},
            {"version", "gemm"}};
  }
  return {{"quant_method", "gptq"}, {"bits", 4},   {"group_size", kGroup},
          {"desc_act", false},      {"sym", true}, {"checkpoint_format", "gptq"}};
}

float deviation_for(Index inputs) { return 1.0F / std::sqrt(static_cast<float>(inputs)); }

class Plan {
 public:
  explicit Plan(const ModelConfig& config) : config_(config) {}

  void half(std::string name, std::vector<Index> shape, Fill fill, float spread = 0) {
    tensors_.push_back({{std::move(name), "F16", std::move(shape)}, fill, spread});
  }
  void norm(std::string name, Index length) { half(std::move(name), {length}, Fill::ones); }

  void linear(const LinearLayer& layer) {
    const float deviation = deviation_for(layer.inputs);
    if (!config_.quantization) {
      half(layer.name + ".weight", {layer.outputs, layer.inputs}, Fill::normal, deviation);
      return;
    }
    const bool awq = config_.quantization->method == QuantizationMethod::awq;
    const Index groups = layer.inputs / kGroup;
    words(layer.name + ".qweight",
          awq ? std::vector<Index>{layer.inputs, layer.outputs / 8}
              : std::vector<Index>{layer.inputs / 8, layer.outputs},
          awq ? Fill::integers : Fill::symmetric_integers);
    words(layer.name + ".qzeros", {groups, layer.outputs / 8},
          awq ? Fill::zero_points : Fill::symmetric_zero_points);
    // Even from 0 to 15; from 1 to 15 with 8 twice. A mean of q - z other than 0 would grow from layer to layer, until
    // the activations are nearly one number: products of such numbers take less power, so they run faster.
    const auto deviation_of_q = std::sqrt(awq ? 255.0F / 12 : 280.0F / 16);
    half(layer.name + ".scales", {groups, layer.outputs}, Fill::scales, deviation / deviation_of_q);
    if (!awq) words(layer.name + ".g_idx", {layer.inputs}, Fill::groups, static_cast<float>(kGroup));
  }

  std::vector<SyntheticTensor> take() { return std::move(tensors_); }

 private:
  void words(std::string name, std::vector<Index> shape, Fill fill, float spread = 0) {
    tensors_.push_back({{std::move(name), "I32", std::move(shape)}, fill, spread});
  }

  const ModelConfig& config_;
  std::vector<SyntheticTensor> tensors_;
};

std::string shard_name(std::size_t shard, std::size_t count) {
  if (count == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, count);
}

Result<void> write_index(const std::filesystem::path& folder, std::span<const SyntheticTensor> tensors,
                         std::span<const std::vector<std::size_t>> shards) {
  Json map = Json::object();
  std::size_t total = 0;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    for (const std::size_t t : shards[s]) {
      map[tensors[t].entry.name] = shard_name(s, shards.size());
      total += size_in_bytes(tensors[t].entry);
    }
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  return write_atomically(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace

std::vector<std::string> synthetic_shapes() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

Result<std::string> synthetic_config(std::string_view name, std::optional<QuantizationMethod> quantization,
                                     std::uint64_t seed) {
  const auto* shape =
      std::find_if(std::begin(kShapes), std::end(kShapes), [&](const Shape& s) { return s.name == name; });
  if (shape == std::end(kShapes)) {
    return Error{"", "shape", fmt::format("{}", fmt::join(synthetic_shapes(), ", ")), std::string(name)};
  }
  Json config = {{"_name_or_path", fmt::format("random weights for measuring speed only (seed {})", seed)},
                 {"architectures", {"Qwen3ForCausalLM"}},
                 {"model_type", "qwen3"},
                 {"vocab_size", shape->vocabulary},
                 {"hidden_size", shape->hidden},
                 {"intermediate_size", shape->intermediate},
                 {"num_hidden_layers", shape->layers},
                 {"num_attention_heads", shape->heads},
                 {"num_key_value_heads", shape->kv_heads},
                 {"head_dim", shape->head_dim},
                 {"max_position_embeddings", shape->context},
                 {"hidden_act", "silu"},
                 {"attention_bias", false},
                 {"rms_norm_eps", 1e-6},
                 {"rope_theta", 1e6},
                 {"tie_word_embeddings", false},
                 {"torch_dtype", "float16"}};
  if (quantization) config["quantization_config"] = quantization_json(*quantization);
  return config.dump(2) + "\n";
}

std::vector<SyntheticTensor> synthetic_tensors(const ModelConfig& config) {
  Plan plan(config);
  plan.half("model.embed_tokens.weight", {config.vocabulary_size, config.hidden_size}, Fill::normal, 1);
  for (Index layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    plan.norm(prefix + "input_layernorm.weight", config.hidden_size);
    plan.norm(prefix + "self_attn.q_norm.weight", config.head_dim);
    plan.norm(prefix + "self_attn.k_norm.weight", config.head_dim);
    plan.norm(prefix + "post_attention_layernorm.weight", config.hidden_size);
    for (const LinearLayer& linear : decoder_linears(config, layer)) plan.linear(linear);
  }
  plan.norm("model.norm.weight", config.hidden_size);
  plan.half("lm_head.weight", {config.vocabulary_size, config.hidden_size}, Fill::normal,
            deviation_for(config.hidden_size));
  return plan.take();
}

std::vector<std::vector<std::size_t>> split_into_shards(std::span<const SyntheticTensor> tensors,
                                                        Index count) {
  require(count >= 1 && count <= static_cast<Index>(tensors.size()), "a shard has at least one tensor");
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_in_bytes(tensors[a].entry) > size_in_bytes(tensors[b].entry);
  });
  std::vector<std::vector<std::size_t>> shards(static_cast<std::size_t>(count));
  std::vector<std::size_t> sizes(shards.size());
  for (const std::size_t tensor : order) {  // the largest first, each into the smallest file
    const auto smallest = std::min_element(sizes.begin(), sizes.end()) - sizes.begin();
    shards[static_cast<std::size_t>(smallest)].push_back(tensor);
    sizes[static_cast<std::size_t>(smallest)] += size_in_bytes(tensors[tensor].entry);
  }
  for (auto& shard : shards) std::sort(shard.begin(), shard.end());
  return shards;
}

Result<void> write_synthetic_weights(const std::filesystem::path& folder,
                                     std::span<const SyntheticTensor> tensors,
                                     std::span<const std::vector<std::size_t>> shards, std::uint64_t seed,
                                     ThreadPool& pool, const std::function<bool()>& stopped) {
  std::vector<PieceFile> files;
  std::vector<SyntheticPiece> pieces;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    auto file = PieceFile::create(folder / shard_name(s, shards.size()));
    if (!file) return file.error();
    std::vector<TensorEntry> entries;
    for (const std::size_t t : shards[s]) entries.push_back(tensors[t].entry);
    const std::string header = safetensors_header(entries);
    if (auto written = file->write(0, std::as_bytes(std::span(header))); !written) return written.error();
    std::size_t offset = header.size();
    for (const std::size_t t : shards[s]) {
      for (SyntheticPiece piece : pieces_of(tensors[t], seed_of_part(seed, t))) {
        piece.file = s;
        piece.offset += offset;
        pieces.push_back(piece);
      }
      offset += size_in_bytes(tensors[t].entry);
    }
    files.push_back(*std::move(file));
  }
  std::vector<std::optional<Error>> errors(pieces.size());
  std::atomic<bool> failed = false;
  pool.parallel_for(static_cast<Index>(pieces.size()), [&](Index i) {
    if (failed) return;
    const SyntheticPiece& piece = pieces[static_cast<std::size_t>(i)];
    std::optional<Error>& error = errors[static_cast<std::size_t>(i)];
    if (stopped()) {
      error = Error{folder.string(), "", "time to write it", "an interruption"};
    } else if (auto written = files[piece.file].write(piece.offset, values_of(piece)); !written) {
      error = written.error();
    }
    if (error) failed = true;
  });
  for (const auto& error : errors) {
    if (error) return *error;
  }
  for (PieceFile& file : files) {
    if (auto closed = file.close(); !closed) return closed;
  }
  return shards.size() == 1 ? Result<void>() : write_index(folder, tensors, shards);
}

}  // namespace assay
