// GET /v1/models and POST /v1/completions, with texts only: what every OpenAI-style server has.
#include "servers/fields.h"
#include "servers/routes.h"

namespace assay {
namespace {

Json logprobs(const ServedModel& model, bool echo, const Answer& answer) {
  Json tokens = Json::array(), own = Json::array(), top = Json::array(), offsets = Json::array();
  std::size_t offset = 0;
  const auto add_token = [&](TokenId id) {
    const std::string text = model.token_text(id);
    tokens.push_back(text);
    offsets.push_back(offset);
    offset += text.size();
  };
  const auto add = [&](TokenId id, const PositionScores& position) {
    add_token(id);
    own.push_back(static_cast<double>(own_score(position, id).logprob));
    Json texts = Json::object();  // tokens of one text are one key
    for (const TokenScore& score : position.scores)
      texts[model.token_text(score.id)] = static_cast<double>(score.logprob);
    top.push_back(std::move(texts));
  };
  if (echo) {
    add_token(answer.prompt[0]);
    own.push_back(nullptr);
    top.push_back(nullptr);
    for (const PositionScores& position : answer.prompt_scores)
      add(answer.prompt[static_cast<std::size_t>(position.position)], position);
  }
  for (const PositionScores& position : answer.generated_scores)
    add(answer.generated[static_cast<std::size_t>(position.position) - answer.prompt.size()], position);
  return {{"tokens", tokens}, {"token_logprobs", own}, {"top_logprobs", top}, {"text_offset", offsets}};
}

void complete(Exchange& exchange, const Json& body, const httplib::Request& request,
              httplib::Response& response) {
  check_fields(
      body, {"model", "prompt", "max_tokens", "temperature", "seed", "logprobs", "echo"},
      {{"stream", false}, {"n", 1}, {"top_p", 1.0}, {"presence_penalty", 0.0}, {"frequency_penalty", 0.0}});
  const auto& options = exchange.options();
  check_model(body, options.served_name);
  const auto prompt = find_field<std::string>(body, "prompt");
  if (!prompt) throw Refusal{400, "prompt must be a string"};
  const auto ids = exchange.model().tokenizer().encode(*prompt, SpecialTokens::add);
  if (!ids || ids->empty()) throw Refusal{400, "prompt must be a text that is not empty"};
  const bool echo = field_or(body, "echo", false);
  if (echo && !options.echo) throw Refusal{400, "echo is not supported"};
  const auto asked = find_field<Index>(body, "logprobs");
  if (asked && (*asked < 0 || (options.max_logprobs != -1 && *asked > options.max_logprobs)))
    throw Refusal{400, "logprobs must be at most " + std::to_string(options.max_logprobs)};
  Work work{.prompt = *ids,
            .max_tokens = field_or<Index>(body, "max_tokens", 16),
            .top_k = asked.value_or(0),
            .sampling = read_sampling(body)};
  if (work.max_tokens < (echo ? 0 : 1)) throw Refusal{400, "max_tokens must be at least 1"};
  if (echo && asked) work.prompt_top_k = *asked;
  const auto render = [&](const Answer& answer) {
    const ServedModel& model = exchange.model();
    const Json choice = {
        {"index", 0},
        {"text", (echo ? model.tokenizer().decode(answer.prompt) : "") + model.text_of(answer.generated)},
        {"logprobs", asked ? logprobs(model, echo, answer) : Json()},
        {"finish_reason", answer.stopped ? "stop" : "length"}};
    Json reply = {{"id", "cmpl-mock"},
                  {"object", "text_completion"},
                  {"created", 1790000000},
                  {"model", options.served_name},
                  {"choices", Json::array({choice})},
                  {"usage", usage_of(answer)}};
    const std::string fingerprint = options.fingerprint.value_or("fp_mock");
    if (!fingerprint.empty()) reply["system_fingerprint"] = fingerprint;
    return reply;
  };
  exchange.reply(work, render, request, response);
}

}  // namespace

void add_openai_routes(Exchange& exchange) {
  exchange.get("/v1/models", [&] {
    const Json model = {{"id", exchange.options().served_name}, {"object", "model"}, {"owned_by", "mock"}};
    return Json{{"object", "list"}, {"data", Json::array({model})}};
  });
  exchange.post("/v1/completions", [&](const Json& body, const auto& request, auto& response) {
    complete(exchange, body, request, response);
  });
}

}  // namespace assay
