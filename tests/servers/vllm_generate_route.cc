// Tokens in, tokens out: POST /inference/v1/generate, with the replay of a trace and ids of interest at prompt positions.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/base64.h"
#include "engine/vllm/test_npy.h"
#include "servers/fields.h"
#include "servers/routes.h"

namespace assay {
namespace {

Index width_of(const std::vector<std::vector<TokenId>>& rows) {
  Index width = 0;
  for (const auto& row : rows) width = std::max(width, std::ssize(row));
  return width;
}

// Row i is about prompt token prompt_logprob_start + i + 1.
std::vector<std::vector<TokenId>> read_prompt_ids(Exchange& exchange, const Json& parameters, Index prompt) {
  const auto rows = parameters.find("prompt_logprob_token_ids");
  if (rows == parameters.end() || rows->is_null()) return {};
  if (!exchange.options().prompt_ids)
    throw Refusal{400,
                  "prompt_logprob_token_ids requires the V2 model runner (VLLM_USE_V2_MODEL_RUNNER=1). "
                  "(parameter=prompt_logprob_token_ids)"};
  std::vector<std::vector<TokenId>> ids;
  for (const Json& row : *rows) ids.push_back(*find_ids(Json{{"row", row}}, "row"));
  const Index width = width_of(ids);
  if (width == 0)
    throw Refusal{400,
                  "prompt_logprob_token_ids must be a non-empty integer array of shape [num_rows, num_ids]."};
  const Index most = exchange.options().max_logprobs;
  if (most != -1 && width > most)
    throw Refusal{
        400, fmt::format("Requested {} token ids per row in prompt_logprob_token_ids, which is "
                         "greater than max allowed: {}. Set max_logprobs (--max-logprobs) to at least {}.",
                         width, most, width)};
  const Index scored = prompt - 1 - field_or<Index>(parameters, "prompt_logprob_start", 0);
  if (std::ssize(ids) == scored) return ids;
  throw Refusal{400, fmt::format("prompt_logprob_token_ids has {} rows, but the prompt has {} scored rows "
                                 "(prompt_len - 1 - prompt_logprob_start).",
                                 ids.size(), scored)};
}

Work read_work(Exchange& exchange, const Json& body) {
  check_fields(body,
               {"token_ids", "model", "request_id", "cache_salt", "sampling_params", "return_token_ids"},
               {{"stream", false}});
  check_model(body, exchange.options().served_name);
  check_vllm_salt(body);
  const auto prompt = find_ids(body, "token_ids");
  const Json parameters = body.value("sampling_params", Json::object());
  check_fields(parameters,
               {"max_tokens", "temperature", "seed", "logprobs", "prompt_logprobs", "ignore_eos",
                "detokenize", "trace_decode_token_ids", "prompt_logprob_token_ids", "prompt_logprob_start"},
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
  work.ids_of_positions = read_prompt_ids(exchange, parameters, static_cast<Index>(prompt->size()));
  if (!work.ids_of_positions.empty() && !work.prompt_top_k) work.prompt_top_k = 0;
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

// The top k and the position's own token: ids of interest are in the table alone.
Json prompt_logprobs(const Answer& answer, Index top_k) {
  Json positions = Json::array({nullptr});
  for (const PositionScores& position : answer.prompt_scores) {
    Json entries = Json::object();
    const TokenId own = answer.prompt[static_cast<std::size_t>(position.position)];
    for (const TokenScore& score : own_first(position, own)) {
      if (score.rank > top_k && score.id != own) continue;
      entries[std::to_string(score.id)] = {{"logprob", vllm_number(score.logprob)}, {"rank", score.rank}};
    }
    positions.push_back(std::move(entries));
  }
  return positions;
}

// Base64 of a .npy; minus infinity where a row has no id.
std::string prompt_id_table(const Answer& answer, const std::vector<std::vector<TokenId>>& rows) {
  const auto width = static_cast<std::size_t>(width_of(rows));
  std::vector<float> values;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<Index>(answer.prompt.size() - rows.size() + i);
    const PositionScores* position = find_position(answer.prompt_scores, at);
    for (const TokenId id : rows[i]) {
      const TokenScore* score = position == nullptr ? nullptr : find_score(position->scores, id);
      values.push_back(score == nullptr ? -std::numeric_limits<float>::infinity() : score->logprob);
    }
    values.resize((i + 1) * width, -std::numeric_limits<float>::infinity());
  }
  return base64_of(npy_of(rows.size(), width, values));
}

void generate(Exchange& exchange, const Json& body, const httplib::Request& request,
              httplib::Response& response) {
  const Work work = read_work(exchange, body);
  const std::string id = field_or<std::string>(body, "request_id", "mock");
  const bool logprobs = body["sampling_params"].contains("logprobs");
  const bool lists = find_field<Index>(body["sampling_params"], "prompt_logprobs").has_value();
  const bool echo = field_or(body, "return_token_ids", false);
  const auto render = [&](const Answer& answer) {
    const Json choice = {{"index", 0},
                         {"logprobs", logprobs ? Json{{"content", content(answer, work.top_k)}} : Json()},
                         {"finish_reason", answer.stopped ? "stop" : "length"},
                         {"token_ids", answer.generated}};
    return Json{
        {"request_id", "generate-tokens-" + id},
        {"choices", Json::array({choice})},
        {"model", exchange.options().served_name},
        {"prompt_logprobs", lists ? prompt_logprobs(answer, *work.prompt_top_k) : Json()},
        {"prompt_token_id_logprobs",
         work.ids_of_positions.empty() ? Json() : Json(prompt_id_table(answer, work.ids_of_positions))},
        {"prompt_token_ids", echo ? Json(answer.prompt) : Json()}};
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
