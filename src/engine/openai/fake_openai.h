// For tests: /v1/completions over FakeModel, in the shapes that servers of several kinds give it.
#pragma once

#include <string>
#include <vector>

#include "engine/remote/fake_model.h"
#include "tokenizer/tokenizer.h"

namespace assay {

struct FakeOpenai {
  Tokenizer tokenizer;
  bool takes_ids = true;
  bool extended = true;  // takes fields that OpenAI does not have, and honours them
  bool content = false;  // the newer shape, with ids and bytes
  bool echoes = true;
  Index most_top_k = 64;      // a larger one is refused
  Index gives_top_k = 64;     // a larger one is cut quietly
  bool adds_a_token = false;  // in front of every prompt
  bool shifts_lists = false;  // with echo, each token has the list of the next position
  bool drops_last = false;    // with echo, the last token has none
  Index stops_after = 1000;
  // What is generated, in place of the most likely ids.
  std::vector<TokenId> says = {};

  std::string text(TokenId id) const { return tokenizer.decode({&id, 1}); }

  // With status 400 what the server refuses.
  HttpReply answer(const Json& request) const {
    const auto refused = [](const char* why) { return reply_of(Json{{"error", why}}, 400); };
    if (!extended && request.contains("return_token_ids")) return refused("extra fields not permitted");
    if (!takes_ids && !request["prompt"].is_string()) return refused("prompt must be a string");
    if (!echoes && request["echo"].get<bool>()) return refused("echo is not supported");
    if (request["logprobs"].get<Index>() > most_top_k) return refused("logprobs: too many");
    auto tokens = request["prompt"].is_string()
                      ? *tokenizer.encode(request["prompt"].get<std::string>(), SpecialTokens::none)
                      : request["prompt"].get<std::vector<TokenId>>();
    if (adds_a_token) tokens.insert(tokens.begin(), 1);
    return reply_of(reply_to(request, tokens));
  }

  Json reply_to(const Json& request, std::vector<TokenId> tokens) const {
    const auto prompt = static_cast<Index>(tokens.size());
    const auto wanted = request["max_tokens"].get<Index>();
    const Index count = std::min(stops_after, wanted);
    for (Index i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      tokens.push_back(at < says.size() ? says[at] : FakeModel::at_place(prompt + i, 0));
    }
    const bool echo = request["echo"].get<bool>();
    const Index begin = echo ? 0 : prompt;
    const Index end = prompt + count - (echo && drops_last ? 1 : 0);
    const Index k = std::min(request["logprobs"].get<Index>(), gives_top_k);
    const bool as_ids = extended && request.contains("return_tokens_as_token_ids");
    Json logprobs = content ? Json{{"content", Json::array()}}
                            : Json{{"tokens", Json::array()},
                                   {"token_logprobs", Json::array()},
                                   {"top_logprobs", Json::array()}};
    std::string joined;
    for (Index position = begin; position < end; ++position) {
      const TokenId own = tokens[static_cast<std::size_t>(position)];
      joined += text(own);
      const Index listed = echo && shifts_lists && position > 0 ? position + 1 : position;
      content ? add_content(logprobs, listed, own, k) : add_lists(logprobs, listed, own, k, as_ids);
    }
    Json choice = {{"index", 0},
                   {"text", joined},
                   {"logprobs", logprobs},
                   {"finish_reason", count < wanted ? "stop" : "length"}};
    if (as_ids) choice["token_ids"] = std::vector<TokenId>(tokens.end() - count, tokens.end());
    return {{"id", "cmpl-1"},
            {"model", "m"},
            {"system_fingerprint", "fp-1"},
            {"choices", Json::array({choice})},
            {"usage", {{"prompt_tokens", prompt}, {"completion_tokens", count}}}};
  }

 private:
  void add_lists(Json& logprobs, Index position, TokenId own, Index k, bool as_ids) const {
    const auto name = [&](TokenId id) { return as_ids ? "token_id:" + std::to_string(id) : text(id); };
    logprobs["tokens"].push_back(name(own));
    logprobs["token_logprobs"].push_back(position == 0 ? Json() : Json(FakeModel::logprob(position, own)));
    Json top = Json::object();
    for (const TokenId id : FakeModel::top(position, k)) top[name(id)] = FakeModel::logprob(position, id);
    top[name(own)] = FakeModel::logprob(position, own);  // k or k + 1
    logprobs["top_logprobs"].push_back(position == 0 ? Json() : top);
  }

  void add_content(Json& logprobs, Index position, TokenId own, Index k) const {
    const auto entry = [&](TokenId id) {
      Json bytes = Json::array();
      const std::string_view token = tokenizer.bytes_of(id).value();
      for (const char byte : token) bytes.push_back(static_cast<unsigned char>(byte));
      return Json{
          {"id", id}, {"token", text(id)}, {"bytes", bytes}, {"logprob", FakeModel::logprob(position, id)}};
    };
    Json step = entry(own);
    step["top_logprobs"] = Json::array();
    for (const TokenId id : FakeModel::top(position, k)) step["top_logprobs"].push_back(entry(id));
    logprobs["content"].push_back(step);
  }
};

}  // namespace assay
