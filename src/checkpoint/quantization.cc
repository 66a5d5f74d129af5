#include "checkpoint/quantization.h"

#include <initializer_list>
#include <string_view>

#include "checkpoint/key_reader.h"

namespace assay {
namespace {

// How the packages AutoAWQ, AutoGPTQ, GPTQModel and transformers made or will run the file; the tensors are
// what they are.
constexpr std::string_view kHarmless[] = {
    "meta",
    "damp_percent",
    "damp_auto_increment",
    "static_groups",
    "tokenizer",
    "true_sequential",
    "mse",
    "model_name_or_path",
    "dataset",
    "model_file_base_name",
    "model_seqlen",
    "batch_size",
    "pad_token_id",
    "max_input_length",
    "cache_block_outputs",
    "use_exllama",
    "do_fuse",
    "disable_exllama",
    "exllama_config",
    "use_cuda_fp16",
    "backend",
    "fuse_max_seq_len",
    "modules_to_fuse",
    "act_group_aware",
    "block_name_to_quantize",
    "hyb_act",
    "module_name_preceding_first_block",
};

// Keys that would change the numbers if they had another value.
void demand_plain_layout(KeyReader& keys) {
  keys.demand("pack_dtype", R"(["int32"])");
  keys.demand("modules_to_not_convert", R"([null, [], ["lm_head"]])");
  keys.demand("modules_in_block_to_quantize", "[null]");
  for (std::string_view key : {"dynamic", "rotation", "adapter", "activation", "weight_only"}) {
    keys.demand(key, "[null, {}]");
  }
  keys.demand("is_marlin_format", "[false, null]");
}

std::optional<Index> read_group_size(KeyReader& keys, std::string_view key) {
  const auto size = keys.get<Index>(key);
  if (size == -1) return std::nullopt;
  if (size < 8 || size > kMaxExtent || size % 8 != 0) {
    keys.fail(key, "-1 (the whole column) or a positive multiple of 8", std::to_string(size));
  }
  return size;
}

Quantization read_awq(KeyReader& keys) {
  Quantization quantization;
  quantization.method = QuantizationMethod::awq;
  // quant_config.json of older AutoAWQ names these two differently
  const std::string_view bits = keys.has("w_bit") ? "w_bit" : "bits";
  if (const int found = keys.get<int>(bits); found != 4) {
    keys.fail(bits, "4 (no other is implemented for awq)", std::to_string(found));
  }
  quantization.group_size = read_group_size(keys, keys.has("q_group_size") ? "q_group_size" : "group_size");
  if (!keys.get<bool>("zero_point")) keys.fail("zero_point", "true (no other is implemented)", "false");
  keys.get<std::string>("version");
  for (std::string_view key : {"version", "checkpoint_format", "format"}) {
    keys.demand(key, R"(["gemm", "GEMM"])");
  }
  keys.demand("desc_act", "[false]");
  keys.demand("sym", "[false]");
  quantization.lm_head = keys.get_or("lm_head", false);
  return quantization;
}

Quantization read_gptq(KeyReader& keys) {
  Quantization quantization;
  quantization.method = QuantizationMethod::gptq;
  quantization.bits = keys.get<int>("bits");
  if (quantization.bits != 4 && quantization.bits != 8) {
    keys.fail("bits", "4 or 8 (no other is implemented for gptq)", std::to_string(quantization.bits));
  }
  quantization.group_size = read_group_size(keys, "group_size");
  quantization.desc_act = keys.get<bool>("desc_act");
  quantization.symmetric = keys.get<bool>("sym");
  quantization.lm_head = keys.get_or("lm_head", false);
  // Files from before this key existed are of version 1.
  const auto format = keys.get_or<std::string>("checkpoint_format", "gptq");
  if (format != "gptq" && format != "gptq_v2") keys.fail("checkpoint_format", "gptq or gptq_v2", format);
  if (const auto same = keys.get_or<std::string>("format", format); same != format) {
    keys.fail("format", "checkpoint_format's " + format, same);
  }
  quantization.version = format == "gptq" ? GptqVersion::v1 : GptqVersion::v2;
  return quantization;
}

// Files of their own, quant_config.json and quantize_config.json, may leave the method out.
std::string read_method(KeyReader& keys, bool own_file) {
  if (own_file && !keys.has("quant_method")) {
    if (keys.has("w_bit")) return "awq";
    if (keys.has("desc_act")) return "gptq";
  }
  const auto method = keys.get<std::string>("quant_method");
  if (method != "awq" && method != "gptq") {
    keys.fail("quant_method", "awq or gptq (no other is implemented)", method);
  }
  if (const auto same = keys.get_or<std::string>("method", method); same != method) {
    keys.fail("method", "quant_method's " + method, same);
  }
  return method;
}

}  // namespace

Result<Quantization> parse_quantization(const Json& object, const std::string& file,
                                        const std::string& where) {
  KeyReader keys(object, file, where);
  const std::string method = read_method(keys, where.empty());
  if (keys.error()) return *keys.error();
  const Quantization quantization = method == "awq" ? read_awq(keys) : read_gptq(keys);
  demand_plain_layout(keys);
  for (std::string_view key : kHarmless) keys.ignore(key);
  keys.refuse_others();
  if (keys.error()) return *keys.error();
  return quantization;
}

}  // namespace assay
