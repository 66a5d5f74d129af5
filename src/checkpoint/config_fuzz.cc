// libFuzzer: parse_config takes any text, and what it accepts keeps the promises of config.h.
// Input: an even first byte, then a config.json; or an odd one, one more byte, then "key value", which is put
// into a valid configuration, or where the second byte is odd into its quantization_config.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "checkpoint/config.h"
#include "checkpoint/key_reader.h"

namespace {

const char* const kValid =
    R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "eos_token_id": 3,
  "head_dim": 64, "hidden_act": "silu", "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8,
  "max_position_embeddings": 8192, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
  "rope_theta": 1000000, "tie_word_embeddings": true, "torch_dtype": "float16", "vocab_size": 4096,
  "quantization_config": {"bits": 4, "checkpoint_format": "gptq", "desc_act": false, "group_size": 128,
    "quant_method": "gptq", "sym": true}})";

void check(std::string_view text) {
  using namespace assay;
  const auto config = parse_config(text, "fuzz");
  if (!config) {
    require(!config.error().message().empty(), "an error says something");
    return;
  }
  for (Index extent :
       {config->vocabulary_size, config->hidden_size, config->intermediate_size, config->layers,
        config->heads, config->kv_heads, config->head_dim, config->context_length}) {
    require(extent >= 1 && extent <= kMaxExtent, "extents are in range");
  }
  require(config->heads % config->kv_heads == 0 && config->head_dim % 2 == 0, "heads divide");
  require(config->rope_theta >= 1 && config->rms_norm_eps > 0, "real numbers are in range");
  for (auto id : config->eos_token_ids) require(id >= 0 && id < config->vocabulary_size, "ids are in range");
  if (!config->quantization) return;
  require(config->quantization->bits == 4 || config->quantization->bits == 8, "4 or 8 bits");
  require(config->quantization->group_size.value_or(8) % 8 == 0, "groups of eights");
}

// JSON text of kValid with one member added or replaced; the text itself is not checked.
std::string patched(std::string_view patch, bool quantization) {
  const std::size_t space = patch.find(' ');
  if (space == std::string_view::npos) return std::string(patch);
  const std::string key(patch.substr(0, space));
  assay::Json object = assay::Json::parse(kValid);
  assay::Json& target = quantization ? object["quantization_config"] : object;
  const auto value = assay::Json::parse(patch.substr(space + 1), nullptr, false);
  if (value.is_discarded()) return std::string(patch);
  target[key] = value;
  return object.dump(-1, ' ', false, assay::Json::error_handler_t::replace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (data[0] % 2 == 0) {
    check(rest.substr(1));
  } else {
    check(patched(rest.substr(2), data[1] % 2 == 1));
  }
  return 0;
}
