// config.json of a Hugging Face model folder: the numbers that fix the arithmetic of Qwen3, Qwen2 and Llama.
//
// Every key is known: it is read, it must have the one value that is implemented here, or it cannot change a
// number. Any other key or value is an Error that names file, key and value. generation_config.json is not
// read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "checkpoint/quantization.h"
#include "number/dtype.h"

namespace assay {

enum class Architecture : std::uint8_t { qwen3, qwen2, llama };

// "qwen3", "qwen2", "llama", as `model_type` spells them.
std::string_view name_of(Architecture architecture);

// Extents are positive and at most 2^24; heads is a multiple of kv_heads; head_dim is even.
struct ModelConfig {
  Architecture architecture = Architecture::qwen3;
  Index vocabulary_size = 0;
  Index hidden_size = 0;
  Index intermediate_size = 0;
  Index layers = 0;
  Index heads = 0;
  Index kv_heads = 0;
  Index head_dim = 0;
  Index context_length = 0;          // max_position_embeddings
  double rms_norm_eps = 0;           // in (0, 1)
  double rope_theta = 0;             // >= 1
  bool tie_word_embeddings = false;  // lm_head is model.embed_tokens
  bool has_qk_norm = false;          // Qwen3
  bool has_qkv_bias = false;         // Qwen2
  Dtype dtype = Dtype::fp16;  // of the unquantized tensors, as the file declares it: fp16, bf16 or fp32
  std::vector<std::int32_t> eos_token_ids;  // in [0, vocabulary_size); may be empty
  std::optional<Quantization> quantization;
};

// `file` names the text in errors.
Result<ModelConfig> parse_config(std::string_view text, const std::string& file);

// Reads folder/config.json; where it has no quantization_config, quantize_config.json (GPTQ) or
// quant_config.json (AWQ) of the folder is read in its place. Error: both of these exist.
Result<ModelConfig> read_config(const std::filesystem::path& folder);

}  // namespace assay
