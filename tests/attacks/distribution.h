// The scores of a whole vocabulary at one position, from which lists of any ids are read.
#pragma once

#include <span>
#include <vector>

#include "record/record.h"

namespace assay::attacks {

struct Distribution {
  Index position = 0;               // as PositionScores::position
  std::vector<float> logprobs;      // by id
  std::vector<std::int32_t> ranks;  // by id, from 1
  std::vector<TokenId> best_first;  // ids by rank
};

// `scores` holds every id of the vocabulary.
Distribution distribution_of(const PositionScores& scores);

// The union of `ids` and the `top_k` most likely, in order of rank: what Engine::score gives for them.
PositionScores list_of(const Distribution& distribution, std::span<const TokenId> ids, Index top_k);

}  // namespace assay::attacks
