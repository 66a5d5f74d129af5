// What a server without ranks told about one position, made into scores in order of rank.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "record/record.h"

namespace assay {

inline constexpr TokenId kUnknownId = -1;

// One value of a reply.
struct ToldScore {
  TokenId id = kUnknownId;
  float logprob = 0;  // minus infinity: no probability; NaN: null or NaN stood there
};

struct ToldPosition {
  Index position = 0;
  ToldScore own;  // the position's own token
  // Most likely ones, in any order; those of unknown id are counted in ranks, then left out.
  std::vector<ToldScore> top;
  Index ranked = 0;  // the first so many of `top`, once in order, are the model's first so many
  std::span<const ToldScore> others = {};
};

// All that was told, once each, in order of rank; rank 0 where it is not known. Alternatives without probability are
// left out. Error: a NaN, a value above 0, an own token without probability, an id with two values, one outside the
// ranked ones that is above them, probabilities that sum to more than 1.
Result<PositionScores> put_in_order(ToldPosition told);

}  // namespace assay
