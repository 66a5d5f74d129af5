// A reply of /v1/completions to one prompt of token ids.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/vllm/prompt_logprobs.h"

namespace assay {

// What the request asked for.
struct CompletionAsked {
  PromptLists prompt;
  bool prompt_logprobs = false;
  Index most_tokens = 1;  // to be generated
  bool ignore_eos = false;
  bool logprobs = false;     // of generated tokens
  ListRules generated = {};  // where logprobs
};

struct CompletionReply {
  std::string id;
  std::string model;
  std::string fingerprint;                // "" = none
  std::vector<PositionScores> prompt;     // the wanted positions, where prompt_logprobs
  std::vector<TokenId> generated_ids;     // an end-of-sequence token that ended them is the last
  std::vector<PositionScores> generated;  // one for each of generated_ids, where logprobs
};

// Error: anything that is missing or is not as asked: not one choice, other prompt ids than those sent, more or fewer
// generated ids than finish_reason allows, tokens that are not ids ("token_id:318"), lists that do not fit each
// other.
Result<CompletionReply> read_completion(const HttpReply& reply, const CompletionAsked& asked);

}  // namespace assay
