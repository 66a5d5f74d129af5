#include <algorithm>
#include <cmath>

#include "attacks/attack.h"

namespace assay::attacks {
namespace {

// Ids that a verifier which looks at its own top k never asks for, those of least difference first.
std::vector<TokenId> unsuspicious_ids(const Distribution& cheap, const Distribution& claimed, TokenId own,
                                      Index top_k) {
  std::vector<TokenId> ids;
  for (const TokenId id : claimed.best_first) {
    if (claimed.ranks.at(static_cast<std::size_t>(id)) > top_k && id != own) ids.push_back(id);
  }
  const auto difference = [&](TokenId id) {
    const auto at = static_cast<std::size_t>(id);
    return std::fabs(cheap.logprobs.at(at) - claimed.logprobs.at(at));
  };
  std::stable_sort(ids.begin(), ids.end(),
                   [&](TokenId a, TokenId b) { return difference(a) < difference(b); });
  ids.resize(static_cast<std::size_t>(top_k));
  ids.push_back(own);
  return ids;
}

}  // namespace

Result<Record> outside_the_top(Workshop& workshop) {
  auto generations = generate_all(workshop, cheap_setup());
  if (!generations) return generations.error();
  for (Generation& generation : *generations) {
    const Sequence tokens = tokens_of(generation);
    const auto cheap = workshop.score(cheap_setup(), tokens, Replay::decode);
    if (!cheap) return cheap.error();
    const auto claimed = workshop.score(claimed_setup(), tokens, Replay::prefill);
    if (!claimed) return claimed.error();
    std::vector<PositionScores> lists;
    for (std::size_t i = 0; i < (*cheap)->positions.size(); ++i) {
      const Distribution& mine = (*cheap)->positions[i];
      const TokenId own = token_at(tokens, mine.position);
      const auto ids = unsuspicious_ids(mine, (*claimed)->positions[i], own, workshop.plan().top_k);
      lists.push_back(list_of(mine, ids, 0));
    }
    set_scores(generation, std::move(lists));
  }
  return record_claiming(workshop, claimed_setup(), *std::move(generations));
}

}  // namespace assay::attacks
