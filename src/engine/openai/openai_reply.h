// A reply of an OpenAI-style /v1/completions to one prompt, as it stands there. Two shapes of log-probabilities are
// known: {"tokens", "token_logprobs", "top_logprobs": [{text: value}]} and {"content": [{"token", "bytes", "logprob",
// "top_logprobs": [...]}]}.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "http/client.h"
#include "record/record.h"

namespace assay {

// A token as a server names it.
struct ToldToken {
  std::string text;           // or its bytes
  bool exact = false;         // `text` is the token's bytes, not a decoded text
  std::optional<TokenId> id;  // where the server gives it: a field, or "token_id:17" as the text
  float logprob = 0;          // as ToldScore::logprob
};

struct ToldStep {
  ToldToken own;
  std::vector<ToldToken> top;
};

struct OpenaiReply {
  std::string model;
  std::string fingerprint;  // system_fingerprint
  std::string text;
  std::string finish;  // finish_reason
  std::optional<Index> prompt_tokens;
  std::optional<Index> completion_tokens;
  std::optional<std::vector<TokenId>> token_ids;   // of the choice, or of its logprobs
  std::optional<std::vector<TokenId>> prompt_ids;  // that the server says it was sent
  std::vector<ToldStep> steps;                     // with echo, those of the prompt come first
};

// Error: not one choice, lists of different lengths, whatever is no value of its kind.
Result<OpenaiReply> read_openai_reply(const HttpReply& reply);

}  // namespace assay
