// `logprobs` of a choice of /v1/completions: what was generated, with tokens spelled as ids.
#pragma once

#include <span>
#include <vector>

#include "engine/vllm/reply_json.h"
#include "engine/vllm/token_list.h"

namespace assay {

// As they came, an element for each generated token.
struct GeneratedLists {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  std::vector<std::vector<TokenScore>> top;
};

// {"tokens": ["token_id:318"], "token_logprobs": [-0.1], "top_logprobs": [{"token_id:318": -0.1, ...}], ...}. Error:
// a token that is spelled otherwise: two tokens may have one text, and the server keeps one of them.
Result<GeneratedLists> read_generated_lists(simdjson::ondemand::value value);

// Position `first` + i is that of generated_ids[i]. Error: lists that do not fit each other or generated_ids, what
// settle_list refuses, a token without probability.
Result<std::vector<PositionScores>> settle_generated(GeneratedLists lists,
                                                     std::span<const TokenId> generated_ids, Index first,
                                                     const ListRules& rules);

}  // namespace assay
