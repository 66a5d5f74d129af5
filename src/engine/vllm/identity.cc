#include "engine/vllm/identity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/remote/ask_json.h"
#include "engine/remote/server_info.h"

namespace assay {
namespace {

constexpr const char* kModelsPath = "/v1/models";

// Of /server_info: what can change a number.
constexpr std::string_view kTelling[] = {"dtype",
                                         "quantization",
                                         "kv_cache_dtype",
                                         "cache_dtype",
                                         "max_logprobs",
                                         "logprobs_mode",
                                         "enforce_eager",
                                         "tensor_parallel_size",
                                         "pipeline_parallel_size",
                                         "data_parallel_size",
                                         "enable_expert_parallel",
                                         "enable_prefix_caching",
                                         "enable_chunked_prefill",
                                         "max_num_batched_tokens",
                                         "max_num_seqs",
                                         "async_scheduling",
                                         "attention_backend",
                                         "attention_config.backend",
                                         "linear_backend",
                                         "moe_backend",
                                         "device_config.device",
                                         "speculative_config",
                                         "revision",
                                         "VLLM_BATCH_INVARIANT",
                                         "VLLM_ATTENTION_BACKEND",
                                         "VLLM_USE_FLASHINFER_SAMPLER",
                                         "VLLM_USE_V2_MODEL_RUNNER",
                                         "VLLM_TEST_FORCE_FP8_MARLIN",
                                         "VLLM_MARLIN_USE_ATOMIC_ADD",
                                         "VLLM_DISABLED_KERNELS",
                                         "VLLM_FLOAT32_MATMUL_PRECISION",
                                         "VLLM_CPU_INT4_W4A8",
                                         "torch_version"};

Result<void> read_models(const Ask& ask, const std::string& model, Probe& probe) {
  const auto json = require_json(ask, kModelsPath);
  if (!json) return json.error();
  const auto data = json->find("data");
  if (data == json->end() || !data->is_array())
    return Error{kModelsPath, "data", "an array", "another value"};
  std::vector<std::string> listed;
  for (const Json& entry : *data) {
    const auto id = json_get<std::string>(entry, kModelsPath, "id");
    if (!id) return id.error();
    listed.push_back(*id);
    if (*id != model) continue;
    probe.identity.emplace_back("model", model);
    if (const auto root = json_get<std::string>(entry, kModelsPath, "root")) {
      probe.identity.emplace_back("model_root", *root);
    }
    if (const auto length = json_get<Index>(entry, kModelsPath, "max_model_len"); length && *length > 0) {
      probe.identity.emplace_back("max_model_len", std::to_string(*length));
      probe.context_length = *length;
    }
    return {};
  }
  return Error{"", "model", fmt::format("a model that the server lists ({})", fmt::join(listed, ", ")),
               model};
}

Result<void> read_version(const Ask& ask, Probe& probe) {
  const auto json = ask_json(ask, "/version");
  if (!json) return json.error();
  if (!*json) return {};
  if (std::string version = text_at(**json, "version"); !version.empty()) {
    probe.identity.emplace_back("version", std::move(version));
  }
  return {};
}

// Only servers in development mode tell.
Result<void> read_info(const Ask& ask, Probe& probe) {
  constexpr const char* kPath = "/server_info?config_format=json";
  const auto answer = ask_json(ask, kPath);
  if (!answer) return answer.error();
  if (!*answer) return {};
  const Json& json = **answer;
  const Json mode = find_deep(json, kLogprobsMode);
  if (mode.is_string()) {
    const auto word = mode.get<std::string>();
    probe.identity.emplace_back(kLogprobsMode, word);
    if (word != "raw_logprobs" && word != kProcessedLogprobs) {
      return Error{kPath, kLogprobsMode, "raw_logprobs or processed_logprobs", word};
    }
  }
  const Json invariant = find_deep(json, "VLLM_BATCH_INVARIANT");
  probe.capabilities.batch_invariant = invariant == true || invariant == 1 || invariant == "1";
  probe.identity.emplace_back("info", short_server_info(json, kTelling));
  return {};
}

}  // namespace

Result<Probe> read_identity(const Ask& ask, const std::string& model) {
  Probe probe;
  if (auto read = read_models(ask, model, probe); !read) return read.error();
  if (auto read = read_version(ask, probe); !read) return read.error();
  if (auto read = read_info(ask, probe); !read) return read.error();
  return probe;
}

}  // namespace assay
