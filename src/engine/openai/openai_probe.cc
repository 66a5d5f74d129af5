#include "engine/openai/openai_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "engine/openai/openai_check.h"
#include "engine/openai/openai_reply.h"
#include "engine/openai/openai_request.h"
#include "engine/remote/ask_json.h"

namespace assay {
namespace {

constexpr const char* kTinyText = "The capital of France is";
constexpr Index kTinyTokens = 2;  // generated

Result<void> identify(const std::string& model, const Ask& ask, Probe& probe) {
  const auto version = ask_json(ask, "/version");
  if (!version) return version.error();
  if (*version) probe.identity.push_back({"version", text_at(**version, "version")});
  const auto models = ask_json(ask, "/v1/models");
  if (!models) return models.error();
  if (!*models || !(*models)->contains("data") || !(**models)["data"].is_array()) return {};
  std::vector<std::string> names;
  for (const Json& one : (**models)["data"]) {
    if (!one.is_object()) continue;
    names.push_back(text_at(one, "id"));
    if (names.back() != model) continue;
    for (const char* key : {"max_model_len", "context_length"}) {
      const auto length = one.find(key);
      if (length == one.end() || !length->is_number_unsigned()) continue;
      probe.context_length = length->get<Index>();
    }
  }
  if (std::find(names.begin(), names.end(), model) != names.end() || names.empty()) return {};
  constexpr std::size_t kMostNames = 10;
  names.resize(std::min(names.size(), kMostNames));
  return Error{"", "model", fmt::format("{}", fmt::join(names, " or ")), model};
}

struct Answer {
  OpenaiReply reply = {};
  std::string trouble = {};  // "" = a reply of the right shape
  bool hopeless = false;     // asking otherwise will not help
};

Answer try_ways(const std::string& model, const OpenaiAsked& asked, const OpenaiWays& ways,
                const TokenTexts& texts, const Ask& ask) {
  const HttpReply http = ask(openai_request(model, asked, ways, {}, texts.tokenizer()));
  if (http.transport != Transport::ok || http.status != 200) {
    const bool hopeless = http.transport != Transport::ok || http.status == 401 || http.status == 403 ||
                          http.status == 404 || http.status == 429;
    return {.trouble = words_of(http, kCompletionsPath), .hopeless = hopeless};
  }
  auto reply = read_openai_reply(http);
  if (!reply) return {.trouble = reply.error().message()};
  const auto sent = static_cast<Index>(asked.prompt->size());
  if (auto checked = check_openai_reply(*reply, asked, "", texts); !checked)
    return {.trouble = checked.error().message()};
  if (reply->steps.empty()) return {.trouble = "no log-probabilities in the reply"};
  if (reply->prompt_tokens && *reply->prompt_tokens != sent) {
    return {.trouble = fmt::format("{} prompt tokens in place of {}", *reply->prompt_tokens, sent)};
  }
  return {.reply = *std::move(reply)};
}

Index most_alternatives(const OpenaiReply& reply) {
  std::size_t most = 0;
  for (const ToldStep& step : reply.steps) most = std::max(most, step.top.size());
  return static_cast<Index>(most);
}

// The first way of asking that works; Error: none does.
Result<Answer> find_ways(const std::string& model, const OpenaiAsked& asked, const TokenTexts& texts,
                         const Ask& ask, OpenaiWays& ways) {
  std::string troubles;
  for (const bool prompt_as_ids : {true, false}) {
    for (const bool extended : {true, false}) {
      ways = {.prompt_as_ids = prompt_as_ids, .extended = extended};
      Answer answer = try_ways(model, asked, ways, texts, ask);
      if (answer.trouble.empty()) return answer;
      troubles += fmt::format("{}{}", troubles.empty() ? "" : "; ", answer.trouble);
      if (answer.hopeless) return Error{"", kCompletionsPath, "completions with log-probabilities", troubles};
    }
  }
  return Error{"", kCompletionsPath, "completions with log-probabilities", troubles};
}

// Capabilities::most_top_k, or -1: no alternatives at all.
Index find_most_top_k(const std::string& model, OpenaiAsked asked, const OpenaiWays& ways,
                      const TokenTexts& texts, const Ask& ask) {
  constexpr Index kMost = 100;
  for (const Index top_k : {kMost, Index{20}, Index{10}, Index{5}, Index{1}}) {
    asked.top_k = top_k;
    const Answer answer = try_ways(model, asked, ways, texts, ask);
    if (!answer.trouble.empty()) continue;
    const Index most = std::min(top_k, most_alternatives(answer.reply));
    if (most == 0) continue;
    return most == kMost ? 0 : most;
  }
  return -1;
}

// Why an echoed greedy reply's lists cannot belong to its tokens; "" = they can. llama-cpp-python 0.3.36 gives each token
// the list behind it, and the generated one none.
std::string misplaced(const OpenaiReply& reply, std::size_t prompt) {
  if (reply.steps.size() == prompt && reply.finish == "stop") return "";
  if (reply.steps.size() == prompt) return "the generated token has no log-probability";
  const ToldStep& made = reply.steps.back();
  const bool beaten = std::any_of(made.top.begin(), made.top.end(),
                                  [&](const ToldToken& other) { return other.logprob > made.own.logprob; });
  return beaten ? "the greedily generated token is not the most likely one of its list" : "";
}

// Whether a prompt's log-probabilities come back; the trouble otherwise.
std::string try_echo(const Dialect& dialect, const std::vector<TokenId>& prompt, const Probe& probe,
                     const Ask& ask) {
  const Index last = static_cast<Index>(prompt.size()) - 1;
  const ScoreRequest tiny{.tokens = prompt, .prompt_length = last, .asked = {{last, {}, 1}}};
  const HttpReply reply = ask(dialect.score_request(tiny, probe, "probe-echo"));
  if (reply.transport != Transport::ok || reply.status != 200) return words_of(reply, kCompletionsPath);
  const auto scores = dialect.read_scores(tiny, probe, "probe-echo", reply);
  if (!scores) return scores.error().message();
  const auto whole = read_openai_reply(reply);
  return whole ? misplaced(*whole, prompt.size()) : whole.error().message();
}

}  // namespace

Result<Probe> probe_openai(const Dialect& dialect, const std::string& model, const TokenTexts& texts,
                           const Ask& ask) {
  auto prompt = texts.tokenizer().encode(kTinyText, SpecialTokens::none);
  if (!prompt) return prompt.error();
  Probe probe;
  if (auto identified = identify(model, ask, probe); !identified) return identified.error();
  const OpenaiAsked tiny{.prompt = &*prompt, .max_tokens = kTinyTokens, .top_k = 1};
  OpenaiWays ways;
  auto answer = find_ways(model, tiny, texts, ask, ways);
  if (!answer) return answer.error();
  const OpenaiReply& reply = answer->reply;
  const auto& steps = reply.steps;
  ways.returns_ids =
      reply.token_ids.has_value() ||
      std::all_of(steps.begin(), steps.end(), [](const ToldStep& step) { return step.own.id.has_value(); });
  if (!reply.model.empty()) probe.identity.push_back({"model", reply.model});
  if (!reply.fingerprint.empty()) probe.identity.push_back({"fingerprint", reply.fingerprint});
  if (probe.context_length > 0) {
    probe.identity.push_back({"max_model_len", std::to_string(probe.context_length)});
  }
  for (auto& word : words_of(ways)) probe.identity.push_back(std::move(word));

  Capabilities& can = probe.capabilities;
  can.token_ids = ways.prompt_as_ids && ways.returns_ids;
  const Index most = find_most_top_k(model, tiny, ways, texts, ask);
  if (most < 0) return Error{"", kCompletionsPath, "log-probabilities of alternatives", "none"};
  can.generates = true;
  can.most_top_k = most;
  const std::string echo = ways.prompt_as_ids ? try_echo(dialect, *prompt, probe, ask)
                                              : "the server takes no ids, and may make others of a text";
  can.prompt_logprobs = echo.empty();
  if (!echo.empty()) probe.missing = "prompt log-probabilities: " + echo + "; ";
  probe.missing += "forced decode, ranks, ids of interest: not in OpenAI's protocol";
  if (!ways.returns_ids) probe.missing += "; token ids: the server gives texts";
  return probe;
}

}  // namespace assay
