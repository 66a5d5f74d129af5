// Tokens in, tokens out: POST /inference/v1/generate, with the replay of a trace.
#include <algorithm>

#include "servers/fields.h"
#include "servers/routes.h"

namespace assay {
namespace {

Work read_work(Exchange& exchange, const Json& body) {
  check_fields(body, {"token_ids", "model", "request_id", "cache_salt", "sampling_params"},
               {{"stream", false}});
  check_model(body, exchange.options().served_name);
  check_vllm_salt(body);
  const auto prompt = find_ids(body, "token_ids");
  const Json parameters = body.value("sampling_params", Json::object());
  check_fields(parameters,
               {"max_tokens", "temperature", "seed", "logprobs", "prompt_logprobs", "ignore_eos",
                "detokenize", "trace_decode_token_ids"},
               {{"n", 1}, {"top_p", 1.0}, {"top_k", -1}, {"min_p", 0.0}, {"min_tokens", 0}});
  if (!prompt || prompt->empty()) throw Refusal{400, "body: token_ids: Field required"};
  Work work{.prompt = *prompt,
            // Also of a trace: https://github.com/vllm-project/vllm/pull/56730
            .max_tokens = field_or<Index>(parameters, "max_tokens", 16),
            .trace = find_ids(parameters, "trace_decode_token_ids"),
            .ignore_eos = field_or(parameters, "ignore_eos", false),
            .sampling = read_sampling(parameters)};
  if (work.max_tokens < 1) throw Refusal{400, "max_tokens must be at least 1"};
  if (const auto asked = find_field<Index>(parameters, "logprobs"))
    work.top_k = vllm_top_k(exchange, *asked, "sample");
  if (const auto asked = find_field<Index>(parameters, "prompt_logprobs"))
    work.prompt_top_k = vllm_top_k(exchange, *asked, "prompt");
  if (!work.trace) return work;
  if (!exchange.options().trace)
    throw Refusal{400,
                  "trace_decode_token_ids is set but trace replay is not enabled. Start the engine "
                  "with --enable-trace-replay to use it."};
  if (work.trace->empty()) throw Refusal{400, "trace_decode_token_ids must not be empty"};
  if (work.prompt_top_k) throw Refusal{400, "trace_decode_token_ids is not supported with prompt_logprobs"};
  return work;
}

Json entry(const TokenScore& score) {
  return {{"token_id", score.id}, {"logprob", vllm_number(score.logprob)}, {"rank", score.rank}};
}

// Of a list of k, the last makes room for a token outside the top k.
Json content(const Answer& answer, Index top_k) {
  Json positions = Json::array();
  for (const PositionScores& position : answer.generated_scores) {
    const TokenId own = answer.generated[static_cast<std::size_t>(position.position) - answer.prompt.size()];
    Json one = entry(own_score(position, own));
    one["token_id"] = own;
    one["top_logprobs"] = Json::array();
    auto top = own_first(position, own);
    top.resize(std::min(top.size(), static_cast<std::size_t>(std::max(top_k, Index{1}))));
    for (const TokenScore& score : top) one["top_logprobs"].push_back(entry(score));
    positions.push_back(std::move(one));
  }
  return positions;
}

Json prompt_logprobs(const Answer& answer) {
  Json positions = Json::array({nullptr});
  for (const PositionScores& position : answer.prompt_scores) {
    Json entries = Json::object();
    const TokenId own = answer.prompt[static_cast<std::size_t>(position.position)];
    for (const TokenScore& score : own_first(position, own)) {
      entries[std::to_string(score.id)] = {{"logprob", vllm_number(score.logprob)}, {"rank", score.rank}};
    }
    positions.push_back(std::move(entries));
  }
  return positions;
}

void generate(Exchange& exchange, const Json& body, const httplib::Request& request,
              httplib::Response& response) {
  const Work work = read_work(exchange, body);
  const std::string id = field_or<std::string>(body, "request_id", "mock");
  const bool logprobs = body["sampling_params"].contains("logprobs");
  const auto render = [&](const Answer& answer) {
    const Json choice = {{"index", 0},
                         {"logprobs", logprobs ? Json{{"content", content(answer, work.top_k)}} : Json()},
                         {"finish_reason", answer.stopped ? "stop" : "length"},
                         {"token_ids", answer.generated}};
    return Json{{"request_id", "generate-tokens-" + id},
                {"choices", Json::array({choice})},
                {"prompt_logprobs", work.prompt_top_k ? prompt_logprobs(answer) : Json()}};
  };
  exchange.reply(work, render, request, response);
}

}  // namespace

void add_vllm_generate_route(Exchange& exchange) {
  if (!exchange.options().scale_out) {
    exchange.post("/inference/v1/generate", [](const Json&, const auto&, auto&) {
      throw Refusal{
          403,
          "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them."};
    });
    return;
  }
  exchange.post("/inference/v1/generate", [&](const Json& body, const auto& request, auto& response) {
    generate(exchange, body, request, response);
  });
}

}  // namespace assay
