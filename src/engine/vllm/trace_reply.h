// A reply of /inference/v1/generate to a trace: the tokens that were forced through, with what the model said about
// each.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/vllm/reply_json.h"
#include "engine/vllm/token_list.h"

namespace assay {

struct TraceAsked {
  std::span<const TokenId> trace;
  Index first = 0;  // position of the trace's first token
  ListRules rules;  // ListForm::k_at_most
};

struct TraceReply {
  std::string id;
  std::string fingerprint;                // "" = none
  std::vector<PositionScores> positions;  // one for each token of the trace
};

// Entries are {"token_id": 15, "logprob": -1.2, "rank": 3, "top_logprobs": [{"token_id": 9, ...}, ...]}; older
// releases write "token": "token_id:15" and no rank. Error: other ids than the trace's, alternatives that all carry
// the trace token's id (releases whose alternatives have lost theirs), what settle_list refuses, a token without
// probability.
Result<TraceReply> read_trace(const HttpReply& reply, const TraceAsked& asked);

}  // namespace assay
