#include "checkpoint/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/test_folder.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::ones;
using testing::safetensors_file;
using testing::TestFolder;
using testing::WrittenTensor;

ModelConfig small(Architecture architecture) {
  ModelConfig config;
  config.architecture = architecture;
  config.vocabulary_size = 10;
  config.hidden_size = 8;
  config.intermediate_size = 16;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_dim = 4;
  config.has_qk_norm = architecture == Architecture::qwen3;
  config.has_qkv_bias = architecture == Architecture::qwen2;
  return config;
}

// Written out by hand: queries are 4 heads of 4, keys and values 2 heads of 4.
std::vector<WrittenTensor> tensors_of(const ModelConfig& config) {
  std::vector<WrittenTensor> tensors = {ones("model.embed_tokens.weight", {10, 8}),
                                        ones("model.norm.weight", {8})};
  if (!config.tie_word_embeddings) tensors.push_back(ones("lm_head.weight", {10, 8}));
  for (const std::string prefix : {"model.layers.0.", "model.layers.1."}) {
    tensors.push_back(ones(prefix + "input_layernorm.weight", {8}));
    tensors.push_back(ones(prefix + "post_attention_layernorm.weight", {8}));
    tensors.push_back(ones(prefix + "self_attn.q_proj.weight", {16, 8}));
    tensors.push_back(ones(prefix + "self_attn.k_proj.weight", {8, 8}));
    tensors.push_back(ones(prefix + "self_attn.v_proj.weight", {8, 8}));
    tensors.push_back(ones(prefix + "self_attn.o_proj.weight", {8, 16}));
    tensors.push_back(ones(prefix + "mlp.gate_proj.weight", {16, 8}));
    tensors.push_back(ones(prefix + "mlp.up_proj.weight", {16, 8}));
    tensors.push_back(ones(prefix + "mlp.down_proj.weight", {8, 16}));
    if (config.has_qk_norm) {
      tensors.push_back(ones(prefix + "self_attn.q_norm.weight", {4}));
      tensors.push_back(ones(prefix + "self_attn.k_norm.weight", {4}));
    }
    if (!config.has_qkv_bias) continue;
    tensors.push_back(ones(prefix + "self_attn.q_proj.bias", {16}));
    tensors.push_back(ones(prefix + "self_attn.k_proj.bias", {8}));
    tensors.push_back(ones(prefix + "self_attn.v_proj.bias", {8}));
  }
  return tensors;
}

std::string error_of(const ModelConfig& config, const std::vector<WrittenTensor>& tensors) {
  const TestFolder folder;
  folder.write("model.safetensors", safetensors_file(tensors));
  const auto checked = check_layout(*Weights::open(folder.path()), config);
  return checked ? "" : checked.error().message();
}

TEST(Layout, EachTensorIsNeededInItsShape) {
  for (const auto architecture : {Architecture::qwen3, Architecture::qwen2, Architecture::llama}) {
    ModelConfig config = small(architecture);
    config.tie_word_embeddings = architecture == Architecture::llama;
    const auto tensors = tensors_of(config);
    EXPECT_EQ(error_of(config, tensors), "");
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      auto faulty = tensors;
      faulty[i].shape.push_back(1);
      EXPECT_THAT(error_of(config, faulty), HasSubstr(tensors[i].name + ": expected shape ["));
      faulty.erase(faulty.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_THAT(error_of(config, faulty), HasSubstr(tensors[i].name + ": expected a tensor of this name"));
    }
  }
}

TEST(Layout, AWrongVocabularySizeIsNamed) {
  ModelConfig config = small(Architecture::qwen3);
  const auto tensors = tensors_of(config);
  config.vocabulary_size = 12;
  EXPECT_THAT(
      error_of(config, tensors),
      HasSubstr("model.safetensors: model.embed_tokens.weight: expected shape [12, 8], found [10, 8]"));
}

TEST(Layout, TensorsThatMeanMoreAreErrors) {
  const ModelConfig config = small(Architecture::llama);
  const auto error_with = [&](const WrittenTensor& tensor) {
    auto tensors = tensors_of(config);
    tensors.push_back(tensor);
    return error_of(config, tensors);
  };
  EXPECT_THAT(error_with(ones("model.layers.2.mlp.up_proj.weight", {16, 8})),
              HasSubstr("model.layers.2.mlp.up_proj.weight: expected only the tensors of a llama model"));
  EXPECT_THAT(error_with(ones("model.layers.0.self_attn.q_norm.weight", {4})), HasSubstr("q_norm"));
  EXPECT_THAT(error_with(ones("model.layers.0.mlp.up_proj.lora_a", {4})), HasSubstr("lora_a"));
  EXPECT_THAT(error_with(ones("model.layers.0.mlp.up_proj.bias", {16})), HasSubstr("up_proj.bias"));
  auto zeros = ones("model.layers.0.mlp.up_proj.bias", {16});
  std::fill(zeros.data.begin(), zeros.data.end(), '\0');
  EXPECT_EQ(error_with(zeros), "");
  zeros.name = "model.norm.bias";
  EXPECT_THAT(error_with(zeros), HasSubstr("model.norm.bias"));
  EXPECT_EQ(error_with(ones("model.layers.1.self_attn.rotary_emb.inv_freq", {2})), "");

  ModelConfig tied = config;
  tied.tie_word_embeddings = true;
  EXPECT_EQ(error_of(tied, tensors_of(config)), "") << "a copy of the embeddings beside them";
}

TEST(Layout, QuantizedLayersHaveTheirPackedTensors) {
  ModelConfig config = small(Architecture::qwen3);
  config.quantization.emplace();
  std::vector<WrittenTensor> tensors;
  for (const WrittenTensor& tensor : tensors_of(config)) {
    const std::string linear = tensor.name.substr(0, tensor.name.size() - 7);
    if (!linear.ends_with("_proj")) {
      tensors.push_back(tensor);
      continue;
    }
    for (const char* part : {".qweight", ".qzeros", ".scales"}) tensors.push_back(ones(linear + part, {1}));
  }
  EXPECT_EQ(error_of(config, tensors), "");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    auto faulty = tensors;
    faulty.erase(faulty.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(error_of(config, faulty), HasSubstr(tensors[i].name + ": expected a tensor of this name"));
  }
  tensors.push_back(ones("model.layers.0.mlp.up_proj.g_idx", {8}));
  EXPECT_THAT(error_of(config, tensors), HasSubstr("g_idx")) << "AWQ has none";
  config.quantization->method = QuantizationMethod::gptq;
  EXPECT_EQ(error_of(config, tensors), "");
  config.quantization->lm_head = true;
  EXPECT_THAT(error_of(config, tensors), HasSubstr("lm_head.qweight"));
}

}  // namespace
}  // namespace assay
