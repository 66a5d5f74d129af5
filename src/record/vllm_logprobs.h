// The log-probabilities of vLLM's outputs, as JSON: of each position {"id": {"logprob": ..., "rank": ...,
// "decoded_token": ...}}.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

// Servers write minus infinity, which JSON does not have, as this or less (vLLM: -9999, older SGLang: -999999999).
inline constexpr double kNoProbability = -9999;

// list[i] has the scores of position `first` + i, of which tokens[i] is the token; only the one of position 0 may be
// null (nothing predicts the first token) and is left out. Log-probabilities become the nearest float; -9999 and
// below mean minus infinity: such an alternative is left out, of the position's own token it is an Error. A rank that
// is null or not there is 0. In order of log-probability. Error: another structure, another number of positions than
// tokens; `key` names the list.
Result<std::vector<PositionScores>> scores_from_vllm(const Json& list, Index first,
                                                     const std::vector<TokenId>& tokens,
                                                     const std::string& file, const std::string& key);

}  // namespace assay
