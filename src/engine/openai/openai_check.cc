#include "engine/openai/openai_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "engine/remote/told_scores.h"

namespace assay {
namespace {

std::optional<TokenId> id_of(const ToldToken& token, const TokenTexts& texts) {
  if (token.id) return token.id;
  return token.exact ? texts.id_of_bytes(token.text) : texts.id_of_text(token.text);
}

Index prompt_steps(const OpenaiAsked& asked) {
  return asked.echo ? static_cast<Index>(asked.prompt->size()) : 0;
}

// Whether an echoed token can be the one that was sent. Texts of broken UTF-8 sequences say nothing.
bool may_be(const ToldToken& echoed, TokenId sent, const TokenTexts& texts) {
  if (echoed.id) return *echoed.id == sent;
  if (echoed.exact) return texts.tokenizer().bytes_of(sent) == echoed.text;
  const std::string text = texts.tokenizer().decode({&sent, 1});
  return text.find("\xEF\xBF\xBD") != std::string::npos || text == echoed.text;
}

Result<void> check_echo_of(const OpenaiReply& reply, const OpenaiAsked& asked, const TokenTexts& texts) {
  for (std::size_t i = 0; i < asked.prompt->size(); ++i) {
    const TokenId sent = (*asked.prompt)[i];
    const ToldToken& echoed = reply.steps[i].own;
    if (may_be(echoed, sent, texts)) continue;
    return Error{"", fmt::format("logprobs.tokens, position {}", i),
                 fmt::format("the token {} that was sent", sent), echoed.text};
  }
  return {};
}

// The ids that the reply gives for all of its generated steps: as token texts or fields, and as a list.
Result<std::optional<std::vector<TokenId>>> given_ids(const OpenaiReply& reply, const OpenaiAsked& asked) {
  const auto prompt = static_cast<std::size_t>(prompt_steps(asked));
  const auto steps = std::span(reply.steps).subspan(prompt);
  std::optional<std::vector<TokenId>> ids;
  if (std::all_of(steps.begin(), steps.end(), [](const ToldStep& step) { return step.own.id.has_value(); })) {
    ids.emplace();
    for (const ToldStep& step : steps) ids->push_back(*step.own.id);
  }
  if (!reply.token_ids) return ids;
  std::span<const TokenId> list = *reply.token_ids;
  if (asked.echo && list.size() == reply.steps.size()) {
    if (!std::equal(asked.prompt->begin(), asked.prompt->end(), list.begin())) {
      return Error{"", "token_ids", "the ids that were sent, first", "others"};
    }
    list = list.subspan(prompt);
  }
  if (list.size() != steps.size() || (ids && !std::equal(list.begin(), list.end(), ids->begin()))) {
    return Error{"", "token_ids", "an id for each generated token",
                 fmt::format("{} ids or others", list.size())};
  }
  return std::optional(std::vector<TokenId>(list.begin(), list.end()));
}

// Whether the generated steps' texts join to the reply's text, which may leave out a special token that ended it.
bool joins(const OpenaiReply& reply, const OpenaiAsked& asked, const std::vector<TokenId>& ids,
           const TokenTexts& texts) {
  std::string text;
  for (std::size_t i = reply.steps.size() - ids.size(); i < reply.steps.size(); ++i)
    text += reply.steps[i].own.text;
  const std::string_view whole = reply.text;
  const auto is_end = [&](std::string_view end) { return asked.echo ? whole.ends_with(end) : whole == end; };
  if (is_end(text)) return true;
  if (reply.finish != "stop" || !texts.tokenizer().is_special(ids.back())) return false;
  return is_end(std::string_view(text).substr(0, text.size() - reply.steps.back().own.text.size()));
}

}  // namespace

Result<void> check_openai_reply(const OpenaiReply& reply, const OpenaiAsked& asked, const std::string& model,
                                const TokenTexts& texts) {
  if (!model.empty() && reply.model != model) return Error{"", "model", model, reply.model};
  const Index steps = static_cast<Index>(reply.steps.size()) - prompt_steps(asked);
  if (steps < 0 || steps > asked.max_tokens) {
    return Error{"", "logprobs",
                 fmt::format("{} to {} tokens", prompt_steps(asked), prompt_steps(asked) + asked.max_tokens),
                 std::to_string(reply.steps.size())};
  }
  if (reply.finish != "length" && reply.finish != "stop") {
    return Error{"", "finish_reason", "length or stop", reply.finish.empty() ? "null" : reply.finish};
  }
  return asked.echo ? check_echo_of(reply, asked, texts) : Result<void>();
}

Result<OpenaiIds> generated_ids(const OpenaiReply& reply, const OpenaiAsked& asked, const OpenaiWays& ways,
                                const TokenTexts& texts) {
  const auto prompt = static_cast<std::size_t>(prompt_steps(asked));
  const auto count = static_cast<Index>(reply.steps.size() - prompt);
  const bool stopped = reply.finish == "stop" && !asked.ignore_eos;
  if (!stopped && count != asked.max_tokens) {
    return Error{"", "logprobs", fmt::format("{} generated tokens", asked.max_tokens), std::to_string(count)};
  }
  // A server may count an end-of-sequence token that it does not show.
  if (reply.completion_tokens && *reply.completion_tokens != count &&
      !(stopped && *reply.completion_tokens == count + 1)) {
    return Error{"", "usage.completion_tokens", std::to_string(count),
                 std::to_string(*reply.completion_tokens)};
  }
  if (count == 0) return OpenaiIds{{}, "nothing was generated"};
  auto given = given_ids(reply, asked);
  if (!given) return given.error();
  if (*given) return OpenaiIds{**std::move(given)};
  if (ways.returns_ids) return Error{"", "token_ids", "ids, which this server has given before", "texts"};

  OpenaiIds found;
  for (std::size_t i = prompt; i < reply.steps.size(); ++i) {
    const ToldToken& token = reply.steps[i].own;
    const auto id = id_of(token, texts);
    if (!id) {
      return OpenaiIds{
          {},
          fmt::format("generated token {}: not one token alone has the text \"{}\"", i - prompt, token.text)};
    }
    found.ids.push_back(*id);
  }
  if (!joins(reply, asked, found.ids, texts)) {
    return OpenaiIds{{}, "the texts of the generated tokens do not join to the reply's text"};
  }
  return found;
}

Result<PositionScores> openai_position(const ToldStep& step, TokenId own, Index position, Index top_k,
                                       const TokenTexts& texts) {
  const auto count = static_cast<Index>(step.top.size());
  if (count < 1 || count > top_k + 1) {
    return Error{"", fmt::format("position {}", position), fmt::format("1 to {} alternatives", top_k + 1),
                 std::to_string(count)};
  }
  std::map<std::string_view, int> times;
  for (const ToldToken& token : step.top) ++times[token.text];
  ToldPosition told{.position = position, .own = {own, step.own.logprob}, .top = {}};
  bool every_text_is_one_token = true;
  bool own_is_there = false;
  bool every_id_is_known = true;
  bool own_is_last = true;
  for (const ToldToken& token : step.top) {
    TokenId id = kUnknownId;
    if (token.text == step.own.text && token.exact == step.own.exact) {
      // Where two tokens share this text, the value says which entry is the own token's.
      if (!own_is_there && token.logprob == step.own.logprob) id = own;
      own_is_there = own_is_there || id == own;
      every_text_is_one_token = every_text_is_one_token && id == own && id_of(token, texts) == own;
    } else if (times[token.text] == 1 || token.id) {
      id = id_of(token, texts).value_or(kUnknownId);
    }
    every_id_is_known = every_id_is_known && id != kUnknownId;
    own_is_last = own_is_last && token.logprob >= step.own.logprob;
    told.top.push_back({id, token.logprob});
  }
  // Tokens that share a text may be lost, and nobody knows where: of fewer than asked for some are; of as many, the own
  // one may be behind the top k.
  const bool none_lost =
      count > top_k || (count == top_k && (every_id_is_known || !own_is_there || !own_is_last));
  if (every_text_is_one_token && none_lost) told.ranked = top_k;
  return put_in_order(std::move(told));
}

}  // namespace assay
