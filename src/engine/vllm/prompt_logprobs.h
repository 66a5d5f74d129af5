// `prompt_logprobs` of a reply: entry i is about prompt token i, given those before it.
#pragma once

#include <span>
#include <vector>

#include "engine/vllm/reply_json.h"
#include "engine/vllm/token_list.h"

namespace assay {

struct PromptLists {
  const char* place = "choices[0].prompt_logprobs";  // in the reply
  std::span<const TokenId> tokens;                   // that were sent
  ListRules rules;
  std::vector<bool> wanted;  // by position; a position beyond its end is not wanted
};

// The wanted positions, each with all that the server listed; the others are checked and dropped. `value` is [null,
// {"872": {"logprob": -0.52, "rank": 2, "decoded_token": "..."}, ...}, ...]. Error: another number of entries than
// tokens, a first entry that is not null or another that is, what settle_list refuses, a wanted position whose own
// token has no probability.
Result<std::vector<PositionScores>> read_prompt_logprobs(simdjson::ondemand::value value,
                                                         const PromptLists& lists);

}  // namespace assay
