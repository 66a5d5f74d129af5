#include "engine/native/score_logits.h"

#include <algorithm>

#include "base/error.h"

namespace assay {
namespace {

// Whether id a ranks before id b.
struct Better {
  std::span<const float> logits;
  bool operator()(TokenId a, TokenId b) const {
    const float x = logits[static_cast<std::size_t>(a)];
    const float y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  }
};

std::vector<TokenId> best(std::span<const float> logits, Index top_k) {
  const Better better{logits};
  std::vector<TokenId> kept;  // a heap whose front is the worst that is kept
  for (TokenId id = 0; id < static_cast<TokenId>(logits.size()); ++id) {
    if (static_cast<Index>(kept.size()) == top_k) {
      if (top_k == 0 || !better(id, kept.front())) continue;
      std::pop_heap(kept.begin(), kept.end(), better);
      kept.pop_back();
    }
    kept.push_back(id);
    std::push_heap(kept.begin(), kept.end(), better);
  }
  return kept;
}

}  // namespace

std::vector<TokenScore> score_logits(const Ops& ops, std::span<const float> logits,
                                     std::span<const TokenId> ids, Index top_k) {
  for (const TokenId id : ids) {
    require(id >= 0 && id < static_cast<TokenId>(logits.size()), "asked ids lie in the vocabulary");
  }
  const Better better{logits};
  std::vector<TokenId> wanted = best(logits, top_k);
  wanted.insert(wanted.end(), ids.begin(), ids.end());
  std::sort(wanted.begin(), wanted.end(), better);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  const LogSumExp normalizer = ops.log_sum_exp(logits.data(), static_cast<Index>(logits.size()));
  std::vector<TokenScore> scores;
  for (const TokenId id : wanted) {
    const bool in_top = static_cast<Index>(scores.size()) < top_k;
    Index rank = static_cast<Index>(scores.size()) + 1;
    if (!in_top) {
      rank = 1;
      for (TokenId other = 0; other < static_cast<TokenId>(logits.size()); ++other)
        rank += better(other, id) ? 1 : 0;
    }
    const float x = logits[static_cast<std::size_t>(id)];
    scores.push_back({id, (x - normalizer.max) - normalizer.log_sum, static_cast<std::int32_t>(rank)});
  }
  return scores;
}

TokenId most_likely(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace assay
