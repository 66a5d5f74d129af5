// GET /health, /version, /v1/models, /server_info and POST /v1/completions.
#include <fmt/format.h>

#include "servers/fields.h"
#include "servers/routes.h"

namespace assay {
namespace {

constexpr const char* kVersion = "0.30.0";

Json models(Exchange& exchange) {
  const auto& options = exchange.options();
  const Json model = {{"id", options.served_name},
                      {"object", "model"},
                      {"created", 1790000000},
                      {"owned_by", "vllm"},
                      {"root", options.setup.model},
                      {"parent", nullptr},
                      {"max_model_len", exchange.model().context_length()}};
  return {{"object", "list"}, {"data", Json::array({model})}};
}

// What `vllm serve` tells in its development mode, a secret among it that clients must not keep.
Json server_info(Exchange& exchange) {
  const auto& options = exchange.options();
  const Json config = {{"model_config",
                        {{"model", options.setup.model},
                         {"dtype", options.setup.dtype},
                         {"quantization", options.setup.quantization},
                         {"max_logprobs", options.max_logprobs},
                         {"logprobs_mode", "raw_logprobs"}}},
                       {"api_key", "server-info-secret"}};
  return {{"vllm_config", config},
          {"vllm_env",
           {{"VLLM_BATCH_INVARIANT", options.batch_invariant}, {"VLLM_API_KEY", "server-info-secret"}}},
          {"system_env", {{"gpu", "none"}}}};
}

struct CompletionForm {
  bool echo = false;
  bool prompt_logprobs = false;
  bool logprobs = false;
  bool token_ids = false;      // return_token_ids
  bool tokens_as_ids = false;  // return_tokens_as_token_ids
  bool skips_special = true;   // skip_special_tokens
  bool only_prompt = false;    // echo with max_tokens 0
};

std::vector<TokenId> read_prompt(Exchange& exchange, const Json& body) {
  const auto prompt = body.find("prompt");
  if (prompt == body.end()) throw Refusal{400, "body: prompt: Field required"};
  if (prompt->is_array()) return *find_ids(body, "prompt");
  const auto ids =
      exchange.model().tokenizer().encode(*find_field<std::string>(body, "prompt"), SpecialTokens::add);
  if (!ids) throw Refusal{400, ids.error().message()};
  return *ids;
}

Json prompt_logprobs(const ServedModel& model, const Answer& answer) {
  Json positions = Json::array({nullptr});
  for (const PositionScores& position : answer.prompt_scores) {
    Json entries = Json::object();
    const TokenId own = answer.prompt[static_cast<std::size_t>(position.position)];
    for (const TokenScore& score : own_first(position, own)) {
      entries[std::to_string(score.id)] = {{"logprob", vllm_number(score.logprob)},
                                           {"rank", score.rank},
                                           {"decoded_token", model.token_text(score.id)}};
    }
    positions.push_back(std::move(entries));
  }
  return positions;
}

// The OpenAI shape, in which tokens of one text are one key.
class LogprobLists {
 public:
  LogprobLists(const ServedModel& model, bool as_ids) : model_(model), as_ids_(as_ids) {}

  void add(TokenId id, const PositionScores* position) {
    tokens_.push_back(key(id));
    offsets_.push_back(offset_);
    offset_ += model_.token_text(id).size();
    if (position == nullptr) {
      logprobs_.push_back(nullptr);
      tops_.push_back(nullptr);
      return;
    }
    logprobs_.push_back(vllm_number(own_score(*position, id).logprob));
    Json top = Json::object();
    for (const TokenScore& score : own_first(*position, id)) top[key(score.id)] = vllm_number(score.logprob);
    tops_.push_back(std::move(top));
  }

  Json json() const {
    return {{"text_offset", offsets_},
            {"token_logprobs", logprobs_},
            {"tokens", tokens_},
            {"top_logprobs", tops_}};
  }

 private:
  std::string key(TokenId id) const {
    return as_ids_ ? "token_id:" + std::to_string(id) : model_.token_text(id);
  }

  const ServedModel& model_;
  bool as_ids_;
  std::size_t offset_ = 0;
  Json tokens_ = Json::array(), offsets_ = Json::array(), logprobs_ = Json::array(), tops_ = Json::array();
};

Json logprobs(const ServedModel& model, const CompletionForm& form, const Answer& answer) {
  LogprobLists lists(model, form.tokens_as_ids);
  if (form.echo) lists.add(answer.prompt[0], nullptr);
  if (form.echo) {
    for (const PositionScores& position : answer.prompt_scores) {
      lists.add(answer.prompt[static_cast<std::size_t>(position.position)], &position);
    }
  }
  if (form.only_prompt) return lists.json();
  for (const PositionScores& position : answer.generated_scores) {
    lists.add(answer.generated[static_cast<std::size_t>(position.position) - answer.prompt.size()],
              &position);
  }
  return lists.json();
}

Json completion(Exchange& exchange, const CompletionForm& form, const std::string& id, const Answer& answer) {
  const ServedModel& model = exchange.model();
  std::string text = form.echo ? model.tokenizer().decode(answer.prompt) : "";
  if (!form.only_prompt)
    text += form.skips_special ? model.text_of(answer.generated) : model.tokenizer().decode(answer.generated);
  Json choice = {{"index", 0},
                 {"text", text},
                 {"logprobs", form.logprobs ? logprobs(model, form, answer) : Json()},
                 {"finish_reason", answer.stopped ? "stop" : "length"},
                 {"stop_reason", nullptr},
                 {"token_ids", form.token_ids ? Json(answer.generated) : Json()},
                 {"prompt_logprobs", form.prompt_logprobs ? prompt_logprobs(model, answer) : Json()},
                 {"prompt_token_ids", form.token_ids ? Json(answer.prompt) : Json()}};
  Json reply = {{"id", id},
                {"object", "text_completion"},
                {"created", 1790000000},
                {"model", exchange.options().served_name},
                {"choices", Json::array({std::move(choice)})},
                {"usage", usage_of(answer)}};
  const std::string fingerprint = vllm_fingerprint(exchange.options());
  if (!fingerprint.empty()) reply["system_fingerprint"] = fingerprint;
  return reply;
}

void complete(Exchange& exchange, const Json& body, const httplib::Request& request,
              httplib::Response& response) {
  check_fields(body,
               {"model", "prompt", "add_special_tokens", "max_tokens", "temperature", "seed",
                "prompt_logprobs", "logprobs", "return_token_ids", "return_tokens_as_token_ids", "request_id",
                "cache_salt", "echo", "ignore_eos", "skip_special_tokens", "spaces_between_special_tokens"},
               {{"stream", false},
                {"n", 1},
                {"top_p", 1.0},
                {"top_k", -1},
                {"min_p", 0.0},
                {"min_tokens", 0},
                {"repetition_penalty", 1.0},
                {"presence_penalty", 0.0},
                {"frequency_penalty", 0.0}});
  check_model(body, exchange.options().served_name);
  check_vllm_salt(body);
  const auto asked_prompt = find_field<Index>(body, "prompt_logprobs");
  const auto asked = find_field<Index>(body, "logprobs");
  CompletionForm form{.echo = field_or(body, "echo", false),
                      .prompt_logprobs = asked_prompt.has_value(),
                      .logprobs = asked.has_value(),
                      .token_ids = field_or(body, "return_token_ids", false),
                      .tokens_as_ids = field_or(body, "return_tokens_as_token_ids", false),
                      .skips_special = field_or(body, "skip_special_tokens", true)};
  Work work{.prompt = read_prompt(exchange, body),
            .max_tokens = field_or<Index>(body, "max_tokens", 16),
            .ignore_eos = field_or(body, "ignore_eos", false),
            .sampling = read_sampling(body)};
  form.only_prompt = form.echo && work.max_tokens == 0;
  if (form.only_prompt) work.max_tokens = 1;
  if (work.prompt.empty() || work.max_tokens < 1) throw Refusal{400, "max_tokens must be at least 1"};
  if (asked) work.top_k = vllm_top_k(exchange, *asked, "sample");
  if (asked_prompt) work.prompt_top_k = vllm_top_k(exchange, *asked_prompt, "prompt");
  if (form.echo && asked && !asked_prompt) work.prompt_top_k = work.top_k;
  const std::string id = "cmpl-" + field_or<std::string>(body, "request_id", "mock");
  exchange.reply(
      work, [&](const Answer& answer) { return completion(exchange, form, id, answer); }, request, response);
}

}  // namespace

void add_vllm_routes(Exchange& exchange) {
  exchange.get("/health", [] { return Json(); });
  exchange.get("/version", [] { return Json{{"version", kVersion}}; });
  exchange.get("/v1/models", [&] { return models(exchange); });
  exchange.get("/server_info", [&] { return server_info(exchange); });
  exchange.post("/v1/completions", [&](const Json& body, const auto& request, auto& response) {
    complete(exchange, body, request, response);
  });
  add_vllm_generate_route(exchange);
}

}  // namespace assay
