#include "attacks/distribution.h"

#include <algorithm>

namespace assay::attacks {

Distribution distribution_of(const PositionScores& scores) {
  Distribution result{.position = scores.position,
                      .logprobs = std::vector<float>(scores.scores.size()),
                      .ranks = std::vector<std::int32_t>(scores.scores.size()),
                      .best_first = {}};
  for (const TokenScore& score : scores.scores) {
    result.logprobs.at(static_cast<std::size_t>(score.id)) = score.logprob;
    result.ranks.at(static_cast<std::size_t>(score.id)) = score.rank;
    result.best_first.push_back(score.id);
  }
  return result;
}

PositionScores list_of(const Distribution& distribution, std::span<const TokenId> ids, Index top_k) {
  std::vector<TokenId> wanted(distribution.best_first.begin(), distribution.best_first.begin() + top_k);
  wanted.insert(wanted.end(), ids.begin(), ids.end());
  const auto rank = [&](TokenId id) { return distribution.ranks.at(static_cast<std::size_t>(id)); };
  std::sort(wanted.begin(), wanted.end(), [&](TokenId a, TokenId b) { return rank(a) < rank(b); });
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  PositionScores list{distribution.position, {}};
  for (const TokenId id : wanted) {
    list.scores.push_back({id, distribution.logprobs.at(static_cast<std::size_t>(id)), rank(id)});
  }
  return list;
}

}  // namespace assay::attacks
