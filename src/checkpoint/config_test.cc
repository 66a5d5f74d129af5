#include "checkpoint/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/test_folder.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TestFolder;

// The keys that the published files of these models have.
const char* const kQwen3 = R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096,
  "initializer_range": 0.02, "intermediate_size": 12288, "max_position_embeddings": 40960,
  "max_window_layers": 36, "model_type": "qwen3", "num_attention_heads": 32, "num_hidden_layers": 36,
  "num_key_value_heads": 8, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
  "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})";

const char* const kQwen2 = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
  "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
  "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21, "model_type": "qwen2",
  "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
  "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.43.1", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936})";

const char* const kLlama3 = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 128000, "eos_token_id": [128001, 128009], "hidden_act": "silu", "hidden_size": 4096,
  "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 8192,
  "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
  "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 500000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.40.0.dev0",
  "use_cache": true, "vocab_size": 128256})";

const char* const kAwq = R"({"backend": "autoawq", "bits": 4, "do_fuse": false, "exllama_config": null,
  "fuse_max_seq_len": null, "group_size": 128, "modules_to_fuse": null, "modules_to_not_convert": null,
  "quant_method": "awq", "version": "gemm", "zero_point": true})";

const char* const kGptq = R"({"bits": 4, "checkpoint_format": "gptq", "damp_percent": 0.01, "desc_act": false,
  "group_size": 128, "lm_head": false, "meta": {"quantizer": ["gptqmodel:2.2.0"]}, "pack_dtype": "int32",
  "quant_method": "gptq", "static_groups": false, "sym": true, "true_sequential": true})";

// `base` with object[key] = value (JSON), or without the key if `value` is empty.
std::string with(const char* base, const std::string& key, const std::string& value) {
  Json object = Json::parse(base);
  if (value.empty()) {
    object.erase(key);
  } else {
    object[key] = Json::parse(value);
  }
  return object.dump();
}

Result<ModelConfig> parse(std::string_view text) { return parse_config(text, "config.json"); }

std::string error_of(std::string_view text) {
  const auto config = parse(text);
  return config ? "no error" : config.error().message();
}

TEST(Config, ReadsTheThreeArchitectures) {
  const auto qwen3 = parse(kQwen3);
  ASSERT_TRUE(qwen3.ok()) << qwen3.error().message();
  EXPECT_EQ(qwen3->architecture, Architecture::qwen3);
  EXPECT_EQ(qwen3->vocabulary_size, 151936);
  EXPECT_EQ(qwen3->hidden_size, 4096);
  EXPECT_EQ(qwen3->intermediate_size, 12288);
  EXPECT_EQ(qwen3->layers, 36);
  EXPECT_EQ(qwen3->heads, 32);
  EXPECT_EQ(qwen3->kv_heads, 8);
  EXPECT_EQ(qwen3->head_dim, 128);
  EXPECT_EQ(qwen3->context_length, 40960);
  EXPECT_EQ(qwen3->rms_norm_eps, 1e-6);
  EXPECT_EQ(qwen3->rope_theta, 1e6);
  EXPECT_FALSE(qwen3->tie_word_embeddings);
  EXPECT_TRUE(qwen3->has_qk_norm);
  EXPECT_FALSE(qwen3->has_qkv_bias);
  EXPECT_EQ(qwen3->dtype, Dtype::bf16);
  EXPECT_THAT(qwen3->eos_token_ids, ElementsAre(151645));
  EXPECT_FALSE(qwen3->quantization);

  const auto qwen2 = parse(kQwen2);
  ASSERT_TRUE(qwen2.ok()) << qwen2.error().message();
  EXPECT_EQ(qwen2->head_dim, 64);  // 896 / 14
  EXPECT_TRUE(qwen2->tie_word_embeddings);
  EXPECT_FALSE(qwen2->has_qk_norm);
  EXPECT_TRUE(qwen2->has_qkv_bias);

  const auto llama = parse(kLlama3);
  ASSERT_TRUE(llama.ok()) << llama.error().message();
  EXPECT_EQ(llama->architecture, Architecture::llama);
  EXPECT_EQ(llama->rope_theta, 5e5);
  EXPECT_FALSE(llama->has_qk_norm || llama->has_qkv_bias);
  EXPECT_THAT(llama->eos_token_ids, ElementsAre(128001, 128009));
}

TEST(Config, ReadsTheKeysOfNewerAndOlderFiles) {
  std::string newer = with(kQwen3, "rope_theta", "");
  newer = with(newer.c_str(), "torch_dtype", "");
  newer = with(newer.c_str(), "dtype", R"("float16")");
  newer = with(newer.c_str(), "rope_parameters", R"({"rope_theta": 2e6, "rope_type": "default"})");
  std::string types = "[\"full_attention\"";
  for (int i = 1; i < 36; ++i) types += ", \"full_attention\"";
  newer = with(newer.c_str(), "layer_types", types + "]");
  const auto config = parse(newer);
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->rope_theta, 2e6);
  EXPECT_EQ(config->dtype, Dtype::fp16);

  const std::string old = with(with(kLlama3, "rope_theta", "").c_str(), "num_key_value_heads", "");
  EXPECT_EQ(parse(old)->rope_theta, 10000);
  EXPECT_EQ(parse(old)->kv_heads, 32);
  EXPECT_TRUE(parse(with(kQwen3, "eos_token_id", "null"))->eos_token_ids.empty());
  EXPECT_TRUE(parse(with(kQwen3, "rope_scaling", R"({"rope_type": "default"})")).ok());
}

struct Refusal {
  const char* base;
  const char* key;
  const char* value;  // JSON; "" takes the key away
  const char* message;
};

TEST(Config, WhatWouldChangeTheNumbersIsAnErrorWithFileKeyAndValue) {
  const Refusal refusals[] = {
      {kQwen3, "rope_scaling", R"({"rope_type": "yarn", "factor": 4.0})",
       "rope_scaling: expected null or {type: \"default\"} or {rope_type: \"default\"} (no other is "
       "implemented), found {rope_type: \"yarn\", factor: 4.0}"},
      {kLlama3, "rope_scaling", R"({"factor": 8.0, "rope_type": "llama3"})", "rope_type: \"llama3\""},
      {kQwen3, "rope_parameters", R"({"rope_theta": 1e6, "rope_type": "yarn"})",
       "rope_parameters.rope_type: expected \"default\""},
      {kQwen3, "rope_parameters", R"({"rope_theta": 1e6, "factor": 2})",
       "rope_parameters.factor: expected a known key"},
      {kQwen3, "rope_parameters", R"({"rope_theta": 2e6})",
       "rope_theta: expected the value of rope_parameters, found 1000000"},
      {kQwen3, "rope_parameters", "[]", "rope_parameters: expected a JSON object"},
      {kQwen3, "use_sliding_window", "true",
       "use_sliding_window: expected false (no other is implemented), found true"},
      {kLlama3, "sliding_window", "4096", "sliding_window: expected null"},
      {kQwen3, "layer_types", R"(["full_attention"])",
       "layer_types: expected one entry for each of 36 layers"},
      {kQwen3, "attention_bias", "true", "attention_bias: expected false"},
      {kQwen2, "attention_bias", "false", "attention_bias: expected true"},
      {kLlama3, "mlp_bias", "true", "mlp_bias"},
      {kLlama3, "pretraining_tp", "2", "pretraining_tp: expected 1"},
      {kQwen3, "hidden_act", R"("gelu")",
       "hidden_act: expected \"silu\" (no other is implemented), found \"gelu\""},
      {kQwen3, "partial_rotary_factor", "0.5", "partial_rotary_factor"},
      {kQwen3, "auto_map", R"({"AutoModel": "x.Y"})", "auto_map"},
      {kQwen3, "model_type", R"("qwen3_moe")", "model_type: expected qwen3, qwen2 or llama, found qwen3_moe"},
      {kQwen3, "model_type", R"("llama")", "architectures: expected an array of 1"},
      {kQwen3, "model_type", "", "model_type: expected a string, found nothing"},
      {kQwen3, "num_experts", "8", "num_experts: expected a known key, found an unknown one with value 8"},
      {kQwen3, "rope_tetha", "1e4", "(did you mean rope_theta?)"},
      {kQwen3, "quantization_config", R"({"quant_method": "fp8"})",
       "quantization_config.quant_method: expected awq or gptq (no other is implemented), found fp8"},
  };
  for (const Refusal& r : refusals) {
    EXPECT_THAT(error_of(with(r.base, r.key, r.value)),
                AllOf(StartsWith("config.json: "), HasSubstr(r.message)))
        << r.key;
  }
}

TEST(Config, NumbersOutOfRangeAreErrors) {
  const Refusal refusals[] = {
      {kQwen3, "hidden_size", "", "hidden_size: expected an integer in range, found nothing"},
      {kQwen3, "hidden_size", "0", "hidden_size: expected an integer from 1"},
      {kQwen3, "hidden_size", "-4096", "hidden_size: expected an integer from 1"},
      {kQwen3, "hidden_size", "4096.0", "hidden_size: expected an integer in range, found 4096.0"},
      {kQwen3, "hidden_size", "\"4096\"", "hidden_size"},
      {kQwen3, "vocab_size", "18446744073709551615", "vocab_size: expected an integer in range"},
      {kQwen3, "vocab_size", "9223372036854775807", "vocab_size: expected an integer from 1 to 16777216"},
      {kQwen3, "num_key_value_heads", "5",
       "num_key_value_heads: expected a divisor of num_attention_heads 32"},
      {kQwen3, "num_key_value_heads", "", "num_key_value_heads"},
      {kQwen3, "num_attention_heads", "0", "num_attention_heads"},
      {kQwen3, "head_dim", "", "head_dim"},
      {kQwen3, "head_dim", "127", "head_dim: expected an even integer"},
      {kQwen2, "hidden_size", "900", "hidden_size: expected a multiple of num_attention_heads 14"},
      {kQwen3, "rms_norm_eps", "0", "rms_norm_eps: expected a number between 0 and 1"},
      {kQwen3, "rope_theta", "", "rope_theta"},
      {kQwen3, "rope_theta", "0.5", "rope_theta: expected a number of at least 1"},
      {kQwen3, "torch_dtype", R"("int32")", "torch_dtype: expected float16, bfloat16 or float32"},
      {kQwen3, "torch_dtype", "", "torch_dtype"},
      {kQwen3, "dtype", R"("float16")",
       "torch_dtype: expected the value of dtype, float16, found \"bfloat16\""},
      {kQwen3, "eos_token_id", "151936", "eos_token_id: expected ids below 151936, found 151936"},
      {kQwen3, "eos_token_id", "[1, -1]", "eos_token_id"},
      {kQwen3, "eos_token_id", "true", "eos_token_id"},
      {kQwen3, "tie_word_embeddings", "1", "tie_word_embeddings: expected true or false"},
  };
  for (const Refusal& r : refusals) {
    EXPECT_THAT(error_of(with(r.base, r.key, r.value)),
                AllOf(StartsWith("config.json: "), HasSubstr(r.message)))
        << r.key;
  }
  for (const char* text : {"", "[]", "3", "null", "{", "{\"a\":1,\"a\":2}"}) {
    EXPECT_THAT(error_of(text), StartsWith("config.json: ")) << text;
  }
  const std::string whole = kQwen3;
  for (std::size_t size = 0; size < whole.size(); ++size)
    ASSERT_NE(error_of(whole.substr(0, size)), "no error");
}

Result<ModelConfig> quantized(const std::string& quantization) {
  return parse(with(kQwen3, "quantization_config", quantization));
}

TEST(QuantizationConfig, ReadsAwqAndGptq) {
  const auto awq = quantized(kAwq);
  ASSERT_TRUE(awq.ok()) << awq.error().message();
  EXPECT_EQ(awq->quantization->method, QuantizationMethod::awq);
  EXPECT_EQ(awq->quantization->bits, 4);
  EXPECT_EQ(awq->quantization->group_size, 128);
  EXPECT_FALSE(awq->quantization->symmetric);
  const auto gptq = quantized(kGptq);
  ASSERT_TRUE(gptq.ok()) << gptq.error().message();
  EXPECT_EQ(gptq->quantization->method, QuantizationMethod::gptq);
  EXPECT_EQ(gptq->quantization->version, GptqVersion::v1);
  EXPECT_TRUE(gptq->quantization->symmetric);
  EXPECT_FALSE(gptq->quantization->desc_act || gptq->quantization->lm_head);
  std::string other = with(kGptq, "checkpoint_format", R"("gptq_v2")");
  other = with(other.c_str(), "bits", "8");
  other = with(other.c_str(), "group_size", "-1");
  other = with(other.c_str(), "desc_act", "true");
  other = with(other.c_str(), "sym", "false");
  other = with(other.c_str(), "lm_head", "true");
  const Quantization read = *quantized(other)->quantization;
  EXPECT_EQ(read.version, GptqVersion::v2);
  EXPECT_EQ(read.bits, 8);
  EXPECT_EQ(read.group_size, std::nullopt);
  EXPECT_TRUE(read.desc_act && read.lm_head && !read.symmetric);
}

TEST(QuantizationConfig, OtherLayoutsAreErrors) {
  const Refusal refusals[] = {
      {kAwq, "version", R"("gemv")",
       "version: expected \"gemm\" or \"GEMM\" (no other is implemented), found \"gemv\""},
      {kAwq, "version", "", "version: expected a string, found nothing"},
      {kAwq, "bits", "8", "bits: expected 4"},
      {kAwq, "zero_point", "false", "zero_point: expected true"},
      {kAwq, "modules_to_not_convert", R"(["visual"])", "modules_to_not_convert"},
      {kAwq, "group_size", "0",
       "group_size: expected -1 (the whole column) or a positive multiple of 8, found 0"},
      {kAwq, "group_size", "-2", "group_size"},
      {kAwq, "group_size", "100", "group_size"},
      {kAwq, "quant_method", "", "quant_method: expected a string, found nothing"},
      {kGptq, "bits", "3", "bits: expected 4 or 8"},
      {kGptq, "checkpoint_format", R"("marlin")",
       "checkpoint_format: expected gptq or gptq_v2, found marlin"},
      {kGptq, "format", R"("gptq_v2")", "format: expected checkpoint_format's gptq, found gptq_v2"},
      {kGptq, "method", R"("awq")", "method: expected quant_method's gptq, found awq"},
      {kGptq, "pack_dtype", R"("int64")", "pack_dtype"},
      {kGptq, "dynamic", R"({"-:layers.0": {}})",
       "dynamic: expected null or {} (no other is implemented), found {-:layers.0: an object}"},
      {kGptq, "is_marlin_format", "true", "is_marlin_format"},
      {kGptq, "sym", "", "sym"},
      {kGptq, "desc_act", "", "desc_act"},
      {kGptq, "rotation", R"("hadamard")", "rotation"},
      {kGptq, "grup_size", "1", "did you mean group_size?"},
  };
  for (const Refusal& r : refusals) {
    const auto config = quantized(with(r.base, r.key, r.value));
    ASSERT_FALSE(config.ok()) << r.key << r.value;
    EXPECT_THAT(config.error().message(),
                AllOf(StartsWith("config.json: quantization_config."), HasSubstr(r.message)));
  }
}

TEST(QuantizationConfig, IsReadFromItsOwnFileWhereConfigHasNone) {
  const TestFolder folder;
  EXPECT_THAT(read_config(folder.path()).error().message(), HasSubstr("config.json"));
  folder.write("config.json", kQwen3);
  EXPECT_FALSE(read_config(folder.path())->quantization);
  folder.write("quant_config.json",
               R"({"zero_point": true, "q_group_size": 64, "w_bit": 4, "version": "GEMM"})");
  EXPECT_EQ(read_config(folder.path())->quantization->group_size, 64);
  folder.write("quantize_config.json", with(kGptq, "quant_method", ""));
  EXPECT_THAT(read_config(folder.path()).error().message(), HasSubstr("found both"));
  std::filesystem::remove(folder.path() / "quant_config.json");
  EXPECT_EQ(read_config(folder.path())->quantization->method, QuantizationMethod::gptq);
  folder.write("quantize_config.json", with(kGptq, "bits", "2"));
  EXPECT_THAT(read_config(folder.path()).error().message(),
              HasSubstr("quantize_config.json: bits: expected 4 or 8"));
  folder.write("config.json", with(kQwen3, "quantization_config", kAwq));
  EXPECT_EQ(read_config(folder.path())->quantization->method, QuantizationMethod::awq);
}

}  // namespace
}  // namespace assay
