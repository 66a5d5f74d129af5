#include "checkpoint/config.h"

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/key_reader.h"

namespace assay {
namespace {

// Keys of inference code, training and bookkeeping: no forward pass of these architectures reads them.
constexpr std::string_view kHarmless[] = {
    "_name_or_path",
    "transformers_version",
    "initializer_range",
    "attention_dropout",
    "use_cache",
    "bos_token_id",
    "pad_token_id",
    "sep_token_id",
    "max_window_layers",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "torchscript",
    "chunk_size_feed_forward",
    "id2label",
    "label2id",
    "problem_type",
    "tokenizer_class",
    "prefix",
    "task_specific_params",
    "finetuning_task",
    "decoder_start_token_id",
    "tf_legacy_loss",
    "use_bfloat16",
    "_attn_implementation",
    "_attn_implementation_autoset",
    "attn_implementation",
    "unsloth_version",
    "unsloth_fixed",
    "_commit_hash",
    "eos_token",
    "bos_token",
    "pad_token",
};

// Keys whose other values would change the numbers.
void demand_plain_transformer(KeyReader& keys, Architecture architecture) {
  keys.demand("hidden_act", R"(["silu"])");
  keys.demand("attention_bias", architecture == Architecture::qwen2 ? "[true]" : "[false]");
  keys.demand("mlp_bias", "[false]");
  keys.demand("pretraining_tp", "[1]");
  keys.demand("use_sliding_window", "[false]");
  keys.demand("use_mrope", "[false]");
  keys.demand("rope_scaling", R"([null, {"type": "default"}, {"rope_type": "default"}])");
  keys.demand("partial_rotary_factor", "[1]");
  keys.demand("rope_interleaved", "[false]");
  keys.demand("is_decoder", "[false]");
  keys.demand("is_encoder_decoder", "[false]");
  keys.demand("add_cross_attention", "[false]");
  keys.demand("cross_attention_hidden_size", "[null]");
  keys.demand("pruned_heads", "[null, {}]");
  keys.demand("auto_map", "[null]");
  // Qwen's files name a window beside use_sliding_window = false; Llama's have no such switch.
  if (architecture == Architecture::llama) {
    keys.demand("sliding_window", "[null]");
  } else {
    keys.ignore("sliding_window");
  }
}

Architecture read_architecture(KeyReader& keys) {
  const auto type = keys.get<std::string>("model_type");
  for (auto [architecture, class_name] : {std::pair{Architecture::qwen3, R"([["Qwen3ForCausalLM"]])"},
                                          std::pair{Architecture::qwen2, R"([["Qwen2ForCausalLM"]])"},
                                          std::pair{Architecture::llama, R"([["LlamaForCausalLM"]])"}}) {
    if (type != name_of(architecture)) continue;
    keys.demand("architectures", class_name);
    return architecture;
  }
  keys.fail("model_type", "qwen3, qwen2 or llama", type);
  return Architecture::qwen3;
}

void read_extents(KeyReader& keys, ModelConfig& config) {
  const bool llama = config.architecture == Architecture::llama;
  config.vocabulary_size = keys.extent("vocab_size");
  config.hidden_size = keys.extent("hidden_size");
  config.intermediate_size = keys.extent("intermediate_size");
  config.layers = keys.extent("num_hidden_layers");
  config.heads = keys.extent("num_attention_heads");
  config.context_length = keys.extent("max_position_embeddings");
  // Llama files from before grouped queries have no num_key_value_heads: it is the number of heads.
  config.kv_heads =
      llama && !keys.has("num_key_value_heads") ? config.heads : keys.extent("num_key_value_heads");
  if (config.heads % config.kv_heads != 0) {
    keys.fail("num_key_value_heads", "a divisor of num_attention_heads " + std::to_string(config.heads),
              std::to_string(config.kv_heads));
  }
  if (config.architecture == Architecture::qwen3 || keys.has("head_dim")) {
    config.head_dim = keys.extent("head_dim");
  } else if (config.hidden_size % config.heads == 0) {
    config.head_dim = config.hidden_size / config.heads;
  } else {
    keys.fail("hidden_size", "a multiple of num_attention_heads " + std::to_string(config.heads),
              std::to_string(config.hidden_size));
  }
  if (config.head_dim % 2 != 0) keys.fail("head_dim", "an even integer", std::to_string(config.head_dim));
}

// Newer files: "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"}.
double read_rope_parameters(KeyReader& keys, const std::string& file) {
  KeyReader inner(*keys.find("rope_parameters"), file, "rope_parameters.");
  const auto theta = inner.get<double>("rope_theta");
  inner.demand("rope_type", R"(["default"])");
  inner.demand("partial_rotary_factor", "[1]");
  inner.refuse_others();
  if (inner.error()) keys.fail(inner.error()->key, inner.error()->expected, inner.error()->found);
  return theta;
}

void read_real_numbers(KeyReader& keys, const std::string& file, ModelConfig& config) {
  config.rms_norm_eps = keys.get<double>("rms_norm_eps");
  if (!(config.rms_norm_eps > 0 && config.rms_norm_eps < 1)) {
    keys.fail("rms_norm_eps", "a number between 0 and 1", std::to_string(config.rms_norm_eps));
  }
  if (keys.has("rope_parameters")) {
    config.rope_theta = read_rope_parameters(keys, file);
    if (keys.get_or("rope_theta", config.rope_theta) != config.rope_theta) {
      keys.fail("rope_theta", "the value of rope_parameters", describe(*keys.find("rope_theta")));
    }
  } else if (config.architecture == Architecture::llama) {
    config.rope_theta = keys.get_or("rope_theta", 10000.0);  // older Llama files have no such key
  } else {
    config.rope_theta = keys.get<double>("rope_theta");
  }
  if (!(config.rope_theta >= 1 && std::isfinite(config.rope_theta))) {
    keys.fail("rope_theta", "a number of at least 1", std::to_string(config.rope_theta));
  }
}

Dtype read_dtype(KeyReader& keys) {
  const std::string_view key = keys.has("dtype") ? "dtype" : "torch_dtype";
  const auto name = keys.get<std::string>(key);
  if (keys.get_or<std::string>("torch_dtype", name) != name) {
    keys.fail("torch_dtype", "the value of dtype, " + name, describe(*keys.find("torch_dtype")));
  }
  const auto type = dtype_named(name);
  if (type && *type != Dtype::int32) return *type;
  keys.fail(key, "float16, bfloat16 or float32", name);
  return Dtype::fp16;
}

// One id, an array of ids, or null.
std::vector<std::int32_t> read_eos(KeyReader& keys, Index vocabulary_size) {
  std::vector<std::int32_t> ids;
  if (!keys.has("eos_token_id")) return ids;
  const Json& value = *keys.find("eos_token_id");
  const auto read = [&](const Json& id) {
    const bool valid = id.is_number_integer() && id >= 0 && id < vocabulary_size;
    if (!valid) keys.fail("eos_token_id", "ids below " + std::to_string(vocabulary_size), describe(id));
    ids.push_back(valid ? id.get<std::int32_t>() : 0);
  };
  if (!value.is_array()) {
    read(value);
  } else {
    for (const Json& id : value) read(id);
  }
  return ids;
}

void check_layer_types(KeyReader& keys, Index layers) {
  if (!keys.has("layer_types")) return;
  const Json& types = *keys.find("layer_types");
  if (!types.is_array() || types.size() != static_cast<std::size_t>(layers)) {
    keys.fail("layer_types", "one entry for each of " + std::to_string(layers) + " layers", describe(types));
    return;
  }
  for (const Json& type : types) {
    if (type != "full_attention") keys.fail("layer_types", "full_attention in every layer", describe(type));
  }
}

Result<ModelConfig> parse_object(const Json& object, const std::string& file) {
  KeyReader keys(object, file, "");
  ModelConfig config;
  config.architecture = read_architecture(keys);
  if (keys.error()) return *keys.error();  // the other keys mean something only if this one is known
  config.has_qk_norm = config.architecture == Architecture::qwen3;
  config.has_qkv_bias = config.architecture == Architecture::qwen2;
  read_extents(keys, config);
  read_real_numbers(keys, file, config);
  // All three architectures leave the key out when it is false.
  config.tie_word_embeddings = keys.get_or("tie_word_embeddings", false);
  config.dtype = read_dtype(keys);
  config.eos_token_ids = read_eos(keys, config.vocabulary_size);
  check_layer_types(keys, config.layers);
  demand_plain_transformer(keys, config.architecture);
  if (keys.has("quantization_config")) {
    auto quantization = parse_quantization(*keys.find("quantization_config"), file, "quantization_config.");
    if (!quantization) return quantization.error();
    config.quantization = *quantization;
  }
  for (std::string_view key : kHarmless) keys.ignore(key);
  keys.refuse_others();
  if (keys.error()) return *keys.error();
  return config;
}

}  // namespace

std::string_view name_of(Architecture architecture) {
  switch (architecture) {
    case Architecture::qwen3:
      return "qwen3";
    case Architecture::qwen2:
      return "qwen2";
    case Architecture::llama:
      return "llama";
  }
  return "";
}

Result<ModelConfig> parse_config(std::string_view text, const std::string& file) {
  auto object = parse_json(text, file);
  if (!object) return object.error();
  return parse_object(*object, file);
}

Result<ModelConfig> read_config(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  auto text = read_text(path);
  if (!text) return text.error();
  auto config = parse_config(*text, path.string());
  if (!config || config->quantization) return config;
  const auto gptq = folder / "quantize_config.json";
  const auto awq = folder / "quant_config.json";
  std::error_code ignored;  // a file that cannot be asked about is not there
  const bool has_gptq = std::filesystem::exists(gptq, ignored);
  const bool has_awq = std::filesystem::exists(awq, ignored);
  if (has_gptq && has_awq) {
    return Error{folder.string(), "", "one of quantize_config.json and quant_config.json", "both"};
  }
  if (!has_gptq && !has_awq) return config;
  const auto& own_file = has_gptq ? gptq : awq;
  auto object = read_json(own_file);
  if (!object) return object.error();
  auto quantization = parse_quantization(*object, own_file.string(), "");
  if (!quantization) return quantization.error();
  config->quantization = *quantization;
  return config;
}

}  // namespace assay
