#include "engine/sglang/sglang_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "engine/remote/ask_json.h"
#include "engine/remote/server_info.h"
#include "engine/sglang/sglang_request.h"

namespace assay {
namespace {

// Of some hundred server arguments those that fix numbers. Left out on purpose: api keys, ports, paths, seeds,
// whatever differs between two replicas of one model.
constexpr std::string_view kNumberKeys[] = {"model_path",
                                            "revision",
                                            "tokenizer_path",
                                            "load_format",
                                            "dtype",
                                            "device",
                                            "model_impl",
                                            "enable_tf32_matmul",
                                            "quantization",
                                            "quantization_param_path",
                                            "kv_cache_dtype",
                                            "torchao_config",
                                            "context_length",
                                            "attention_backend",
                                            "prefill_attention_backend",
                                            "decode_attention_backend",
                                            "sampling_backend",
                                            "fp8_gemm_runner_backend",
                                            "fp4_gemm_runner_backend",
                                            "bf16_gemm_backend",
                                            "moe_runner_backend",
                                            "moe_a2a_backend",
                                            "tp_size",
                                            "pp_size",
                                            "dp_size",
                                            "ep_size",
                                            "attn_cp_size",
                                            "dcp_size",
                                            "enable_dp_attention",
                                            "chunked_prefill_size",
                                            "max_prefill_tokens",
                                            "enable_mixed_chunk",
                                            "page_size",
                                            "disable_radix_cache",
                                            "disable_cuda_graph",
                                            "cuda_graph_max_bs",
                                            "cuda_graph_backend_decode",
                                            "cuda_graph_backend_prefill",
                                            "cuda_graph_max_bs_decode",
                                            "enable_torch_compile",
                                            "disable_custom_all_reduce",
                                            "enable_flashinfer_allreduce_fusion",
                                            "enable_fused_qk_norm_rope",
                                            "enable_fp32_lm_head",
                                            "triton_attention_reduce_in_fp32",
                                            "triton_attention_num_kv_splits",
                                            "enable_deterministic_inference",
                                            "rl_on_policy_target",
                                            "speculative_algorithm",
                                            "sampling_defaults",
                                            "json_model_override_args"};

// The first of `paths` that answers; null where none does.
Result<Json> first_of(const Ask& ask, std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    auto object = ask_json(ask, path);
    if (!object) return object.error();
    if (*object) return **std::move(object);
  }
  return Json();
}

void add(Environment& identity, const char* key, const std::string& value) {
  if (!value.empty()) identity.push_back({key, value});
}

Index length_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<Index>() : 0;
}

// Names of the model and the identity, from what the server says of itself.
Result<void> identify(const std::string& model, const Ask& ask, Probe& probe) {
  auto server = first_of(ask, {"/server_info", "/get_server_info"});
  if (!server) return server.error();
  auto about = first_of(ask, {"/model_info", "/get_model_info"});
  if (!about) return about.error();
  auto models = ask_json(ask, "/v1/models");
  if (!models) return models.error();

  std::vector<std::string> names;
  const auto add_name = [&](std::string name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  };
  if (*models && (*models)->contains("data") && (**models)["data"].is_array()) {
    for (const Json& one : (**models)["data"]) {
      if (!one.is_object()) continue;
      add_name(text_at(one, "id"));
      if (probe.context_length == 0) probe.context_length = length_in(one, "max_model_len");
    }
  }
  std::string weight_version;
  if (about->is_object()) {
    add_name(text_at(*about, "model_path"));
    weight_version = text_at(*about, "weight_version");
  }
  if (server->is_object()) {
    add_name(text_at(*server, "served_model_name"));
    add_name(text_at(*server, "model_path"));
    if (probe.context_length == 0) probe.context_length = length_in(*server, "context_length");
    probe.capabilities.batch_invariant = find_deep(*server, "enable_deterministic_inference") == true;
    add(probe.identity, "version", text_at(*server, "version"));
  }
  if (!model.empty() && !names.empty() && std::find(names.begin(), names.end(), model) == names.end()) {
    return Error{"", "model", fmt::format("{}", fmt::join(names, " or ")), model};
  }
  if (!names.empty()) add(probe.identity, "model", names.front());
  if (probe.context_length > 0) add(probe.identity, "max_model_len", std::to_string(probe.context_length));
  add(probe.identity, "weight_version", weight_version);
  if (server->is_object()) add(probe.identity, "info", short_server_info(*server, kNumberKeys));
  return {};
}

// Whether the server took and answered one tiny score; its trouble otherwise.
std::string try_score(const Dialect& dialect, const Ask& ask, const Capabilities& assumed, Index top_k,
                      int& status) {
  const ScoreRequest tiny{
      .tokens = {1, 2, 3}, .prompt_length = 2, .asked = {{1, {4}, top_k}, {2, {4}, top_k}}};
  const Probe probe{.capabilities = assumed, .identity = {}};
  const std::string id = fmt::format("probe-{}-{}", assumed.ids_of_interest ? "ids" : "top", top_k);
  const HttpReply reply = ask(dialect.score_request(tiny, probe, id));
  status = reply.transport == Transport::ok ? reply.status : 0;
  if (status != 200) return words_of(reply, kGeneratePath);
  const auto scores = dialect.read_scores(tiny, probe, id, reply);
  return scores ? "" : scores.error().message();
}

}  // namespace

Result<Probe> probe_sglang(const Dialect& dialect, const std::string& model, const Ask& ask) {
  Probe probe;
  if (auto identified = identify(model, ask, probe); !identified) return identified.error();
  Capabilities& can = probe.capabilities;
  std::string trouble;
  int status = 200;
  for (const bool of_interest : {true, false}) {
    for (const Index top_k : {100, 20, 5, 1}) {
      if (can.prompt_logprobs) break;
      const Capabilities assumed{.token_ids = true, .ids_of_interest = of_interest, .most_top_k = top_k};
      trouble = try_score(dialect, ask, assumed, top_k, status);
      if (status == 0 || status == 401 || status == 403 || status == 404 || status >= 500) {
        return Error{"", kGeneratePath, "an SGLang server", trouble};
      }
      can.prompt_logprobs = trouble.empty();
      can.ids_of_interest = can.prompt_logprobs && of_interest;
      can.most_top_k = can.prompt_logprobs && top_k < 100 ? top_k : 0;
    }
  }
  if (!can.prompt_logprobs) probe.missing = "prompt log-probabilities: " + trouble + "; ";
  const GenerateRequest tiny{.prompt = {1, 2, 3}, .max_new_tokens = 1, .top_k = 1, .last_positions = 1};
  const HttpReply reply = ask(dialect.generate_request(tiny, probe, "probe-generate"));
  const auto made = dialect.read_generation(tiny, probe, "probe-generate", reply);
  can.generates = made.ok();
  if (!made) probe.missing += "generating: " + made.error().message() + "; ";
  if (!can.generates && !can.prompt_logprobs)
    return Error{"", kGeneratePath, "an SGLang server", probe.missing};
  can.token_ids = true;
  probe.missing += "forced decode: /generate of SGLang has none; ranks: SGLang gives none beyond the top k";
  if (!can.ids_of_interest && can.prompt_logprobs)
    probe.missing += "; ids of interest: the server scores none";
  return probe;
}

}  // namespace assay
