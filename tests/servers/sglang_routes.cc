// GET /health, /server_info, /get_server_info, /model_info, /v1/models and POST /generate, as SGLang 0.5.23 answers them.
#include <algorithm>

#include "servers/fields.h"
#include "servers/routes.h"

namespace assay {
namespace {

struct GenerateForm {
  bool logprobs = false;
  Index start = 0;  // logprob_start_len: the first prompt position with an entry, a null one
  Index top_k = 0;
  bool text = false;
  std::vector<TokenId> ids;
};

Json triple(const ServedModel& model, const GenerateForm& form, const TokenScore& score) {
  const Json text = form.text ? Json(model.token_text(score.id)) : Json();
  return Json::array({static_cast<double>(score.logprob), score.id, text});
}

// SGLang 0.5 echoes 0 for the last id of the vocabulary.
Json echo_triple(const ServedModel& model, const GenerateForm& form, TokenScore score) {
  if (Index{score.id} >= model.vocabulary_size() - 1) score.id = 0;
  return triple(model, form, score);
}

Json top_triples(const ServedModel& model, const GenerateForm& form, const PositionScores& position) {
  Json triples = Json::array();
  const auto count = std::min(position.scores.size(), static_cast<std::size_t>(form.top_k));
  for (std::size_t i = 0; i < count; ++i) triples.push_back(triple(model, form, position.scores[i]));
  return triples;
}

Json id_triples(const ServedModel& model, const GenerateForm& form, const PositionScores& position) {
  Json triples = Json::array();
  for (const TokenId id : form.ids) triples.push_back(triple(model, form, own_score(position, id)));
  return triples;
}

void add_prompt(const ServedModel& model, const GenerateForm& form, const Answer& answer, Json& info) {
  Json own = Json::array(), top = Json::array(), ids = Json::array();
  const auto length = static_cast<Index>(answer.prompt.size());
  if (form.start < length) {
    const TokenId first = answer.prompt[static_cast<std::size_t>(form.start)];
    own.push_back(Json::array({nullptr, first, form.text ? Json(model.token_text(first)) : Json()}));
    top.push_back(nullptr);
    ids.push_back(nullptr);
  }
  for (const PositionScores& position : answer.prompt_scores) {
    if (position.position <= form.start) continue;
    const TokenId id = answer.prompt[static_cast<std::size_t>(position.position)];
    own.push_back(echo_triple(model, form, own_score(position, id)));
    top.push_back(top_triples(model, form, position));
    ids.push_back(id_triples(model, form, position));
  }
  info["input_token_logprobs"] = std::move(own);
  if (form.top_k > 0) info["input_top_logprobs"] = std::move(top);
  if (!form.ids.empty()) info["input_token_ids_logprobs"] = std::move(ids);
}

void add_generated(const ServedModel& model, const GenerateForm& form, const Answer& answer, Json& info) {
  Json own = Json::array(), top = Json::array();
  for (const PositionScores& position : answer.generated_scores) {
    const TokenId id = answer.generated[static_cast<std::size_t>(position.position) - answer.prompt.size()];
    own.push_back(triple(model, form, own_score(position, id)));
    top.push_back(top_triples(model, form, position));
  }
  info["output_token_logprobs_length"] = own.size();
  info["output_token_logprobs"] = std::move(own);
  if (form.top_k > 0) info["output_top_logprobs"] = std::move(top);
}

std::vector<TokenId> read_prompt(Exchange& exchange, const Json& body) {
  if (auto ids = find_ids(body, "input_ids")) return *ids;
  const auto text = find_field<std::string>(body, "text");
  if (!text) throw Refusal{400, "Either text, input_ids or input_embeds should be provided."};
  const auto ids = exchange.model().tokenizer().encode(*text, SpecialTokens::add);
  if (!ids) throw Refusal{400, ids.error().message()};
  return *ids;
}

GenerateForm read_form(Exchange& exchange, const Json& body, Index prompt) {
  GenerateForm form{.logprobs = field_or(body, "return_logprob", false),
                    .start = field_or<Index>(body, "logprob_start_len", -1),
                    .top_k = field_or<Index>(body, "top_logprobs_num", 0),
                    .text = field_or(body, "return_text_in_logprobs", false),
                    .ids = find_ids(body, "token_ids_logprob").value_or(std::vector<TokenId>())};
  if (form.start == -1) form.start = prompt;
  if (form.start < 0 || form.start > prompt) throw Refusal{400, "logprob_start_len is out of the prompt"};
  if (form.top_k < 0) throw Refusal{400, "top_logprobs_num must not be negative"};
  const Index most = exchange.options().max_logprobs;
  if (most != -1 && form.top_k > most)
    throw Refusal{400, "top_logprobs_num must be at most " + std::to_string(most)};
  form.top_k = std::min(form.top_k, exchange.model().vocabulary_size());
  return form;
}

void generate(Exchange& exchange, const Json& body, const httplib::Request& request,
              httplib::Response& response) {
  check_fields(body,
               {"input_ids", "text", "return_logprob", "logprob_start_len", "top_logprobs_num",
                "token_ids_logprob", "return_text_in_logprobs", "sampling_params", "rid"},
               {{"stream", false}});
  const Json parameters = body.value("sampling_params", Json::object());
  check_fields(parameters,
               {"temperature", "max_new_tokens", "ignore_eos", "sampling_seed", "skip_special_tokens"},
               {{"n", 1},
                {"min_new_tokens", 0},
                {"top_p", 1.0},
                {"top_k", -1},
                {"min_p", 0.0},
                {"repetition_penalty", 1.0},
                {"frequency_penalty", 0.0},
                {"presence_penalty", 0.0},
                {"spaces_between_special_tokens", false},
                {"no_stop_trim", true}});
  Work work{.prompt = read_prompt(exchange, body),
            .max_tokens = field_or<Index>(parameters, "max_new_tokens", 128),
            .ignore_eos = field_or(parameters, "ignore_eos", false),
            .sampling = read_sampling(parameters, "sampling_seed")};
  const auto form = read_form(exchange, body, static_cast<Index>(work.prompt.size()));
  work.top_k = form.top_k;
  if (form.logprobs && form.start < static_cast<Index>(work.prompt.size())) {
    work.prompt_top_k = form.top_k;
    work.ids_of_interest = form.ids;
  }
  const bool skips = field_or(parameters, "skip_special_tokens", true);
  const std::string rid = field_or<std::string>(body, "rid", "mock");
  const auto render = [&](const Answer& answer) {
    const ServedModel& model = exchange.model();
    Json reason = {{"type", answer.stopped ? "stop" : "length"}};
    reason[answer.stopped ? "matched" : "length"] =
        answer.stopped ? Json(answer.generated.back()) : Json(answer.generated.size());
    Json info = {{"id", rid},
                 {"finish_reason", reason},
                 {"prompt_tokens", answer.prompt.size()},
                 {"weight_version", "default"},
                 {"num_retractions", 0},
                 {"reasoning_tokens", 0},
                 {"completion_tokens", answer.generated.size()},
                 {"cached_tokens", 0},
                 {"cached_tokens_details", nullptr},
                 {"dp_rank", nullptr},
                 {"e2e_latency", 0.0625}};
    if (form.logprobs) add_prompt(model, form, answer, info);
    if (form.logprobs) add_generated(model, form, answer, info);
    return Json{
        {"text", skips ? model.text_of(answer.generated) : model.tokenizer().decode(answer.generated)},
        {"output_ids", answer.generated},
        {"meta_info", std::move(info)}};
  };
  exchange.reply(work, render, request, response);
}

Json server_info(Exchange& exchange) {
  const auto& options = exchange.options();
  return {{"model_path", options.setup.model},
          {"served_model_name", options.served_name},
          {"dtype", options.setup.dtype},
          {"quantization", options.setup.quantization},
          {"context_length", nullptr},
          {"enable_deterministic_inference", options.batch_invariant},
          {"attention_backend", "fa3"},
          {"api_key", "server-info-secret"},
          {"version", "0.5.23"}};
}

}  // namespace

void add_sglang_routes(Exchange& exchange) {
  exchange.get("/health", [] { return Json(); });
  for (const char* path : {"/server_info", "/get_server_info"}) {
    exchange.get(path, [&] { return server_info(exchange); });
  }
  exchange.get("/model_info", [&] {
    return Json{{"model_path", exchange.options().setup.model},
                {"tokenizer_path", exchange.options().setup.model},
                {"is_generation", true},
                {"weight_version", "default"}};
  });
  exchange.get("/v1/models", [&] {
    const Json model = {{"id", exchange.options().served_name},
                        {"object", "model"},
                        {"owned_by", "sglang"},
                        {"max_model_len", exchange.model().context_length()}};
    return Json{{"object", "list"}, {"data", Json::array({model})}};
  });
  exchange.post("/generate", [&](const Json& body, const auto& request, auto& response) {
    generate(exchange, body, request, response);
  });
}

}  // namespace assay
