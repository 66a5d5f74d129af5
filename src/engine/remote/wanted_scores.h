// What a request wants of a reply, and its answer out of the positions there.
#pragma once

#include <functional>
#include <optional>

#include "base/error.h"
#include "base/index.h"
#include "engine/engine.h"
#include "record/record.h"

namespace assay {

// Whether every generated token is to be checked. Only greedy ones can be: how a server draws is its own.
bool checks_greedy(const ScoreRequest& request);

// The first position whose scores a request needs; tokens.size(): none.
Index first_needed(const ScoreRequest& request);

// How many alternatives to ask for: more than asked, since ids of interest tend to be among them. `most` as in
// Capabilities.
Index widened_top_k(Index top_k, Index most);
Index widened_top_k(const ScoreRequest& request, Index most);

// The recorded positions of `count` tokens from `begin` on: the last `last` of them (0: all), but not the first token
// of all.
struct PositionRange {
  Index begin = 0;
  Index end = 0;
};
PositionRange recorded_range(Index begin, Index count, Index last);

// Of the scores of a position: its own token's, those of the ids that are asked for, and the top k.
PositionScores asked_of(const PositionScores& all, const AskedPosition& asked, TokenId own);

// Of a greedily chosen token; none: its rank is not known.
std::optional<TokenCheck> greedy_check(const PositionScores& all, TokenId own);

// All that a reply says about a position whose token is `own`; called in ascending order, once each.
using PositionReader = std::function<Result<PositionScores>(Index position, TokenId own)>;

// The answer to `request`. Error: the reader's.
Result<Scores> gather_scores(const ScoreRequest& request, Environment served, const PositionReader& read);

}  // namespace assay
