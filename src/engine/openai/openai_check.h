// Whether a reply of /v1/completions belongs to its request, which tokens it is about, and their scores.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/openai/openai_reply.h"
#include "engine/openai/openai_request.h"

namespace assay {

// Error: another model than `model` ("" = any), fewer steps than the prompt that is echoed or more than asked for,
// echoed tokens that were not sent, a finish_reason that is neither length nor stop.
Result<void> check_openai_reply(const OpenaiReply& reply, const OpenaiAsked& asked, const std::string& model,
                                const TokenTexts& texts);

struct OpenaiIds {
  std::vector<TokenId> ids;
  std::string dropped = {};  // why they cannot be known; "" = they are
};

// What was generated. Error: fewer tokens than finish_reason or the reply's own count says, no ids from a server that
// returns them, ids that contradict each other.
Result<OpenaiIds> generated_ids(const OpenaiReply& reply, const OpenaiAsked& asked, const OpenaiWays& ways,
                                const TokenTexts& texts);

// The scores of one step. Alternatives whose text is not one token's are left out. Error: none, or more than were
// asked for, what put_in_order refuses.
Result<PositionScores> openai_position(const ToldStep& step, TokenId own, Index position, Index top_k,
                                       const TokenTexts& texts);

}  // namespace assay
