#include "engine/remote/told_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "record/check.h"

namespace assay {
namespace {

Error told_error(Index position, std::string expected, const ToldScore& found) {
  return {"", fmt::format("position {}", position), std::move(expected),
          fmt::format("{} for id {}", found.logprob, found.id)};
}

bool is_minus_infinity(float logprob) { return std::isinf(logprob) && logprob < 0; }

// Most likely first, ties in id order, unknown ids last among them.
bool more_likely(const ToldScore& a, const ToldScore& b) {
  if (a.logprob != b.logprob) return a.logprob > b.logprob;
  if ((a.id == kUnknownId) != (b.id == kUnknownId)) return b.id == kUnknownId;
  return a.id < b.id;
}

bool in_order(const TokenScore& a, const TokenScore& b) {
  if (a.logprob != b.logprob) return a.logprob > b.logprob;
  if ((a.rank == 0) != (b.rank == 0)) return b.rank == 0;
  return a.rank != b.rank ? a.rank < b.rank : a.id < b.id;
}

// Servers mostly send lists in order.
template <class T, class Less>
void sort_unless_sorted(std::vector<T>& list, const Less& less) {
  if (!std::is_sorted(list.begin(), list.end(), less)) std::sort(list.begin(), list.end(), less);
}

// `score` joins the scores, unless it is among them already.
Result<void> add(PositionScores& all, const ToldScore& score, float least_ranked) {
  const TokenScore* known = find_score(all.scores, score.id);
  if (known != nullptr) {
    if (known->logprob == score.logprob) return {};
    return told_error(all.position, fmt::format("one value for an id, not {} as well", known->logprob),
                      score);
  }
  if (score.logprob > least_ranked) {
    return told_error(all.position, fmt::format("at most {} outside the most likely", least_ranked), score);
  }
  all.scores.push_back({score.id, score.logprob, 0});
  return {};
}

}  // namespace

Result<PositionScores> put_in_order(ToldPosition told) {
  const auto is_wrong = [](const ToldScore& score) { return !(score.logprob <= 0); };
  const auto is_nothing = [](const ToldScore& score) { return is_minus_infinity(score.logprob); };
  for (const std::span<const ToldScore> list :
       {std::span<const ToldScore>(&told.own, 1), std::span<const ToldScore>(told.top), told.others}) {
    const auto wrong = std::find_if(list.begin(), list.end(), is_wrong);
    if (wrong != list.end()) return told_error(told.position, "a log-probability <= 0", *wrong);
  }
  if (is_nothing(told.own)) return told_error(told.position, "the probability of the own token", told.own);
  sort_unless_sorted(told.top, more_likely);
  told.top.erase(std::remove_if(told.top.begin(), told.top.end(), is_nothing), told.top.end());
  const auto ranked = std::min(static_cast<std::size_t>(told.ranked), told.top.size());

  PositionScores all{.position = told.position, .scores = {}};
  double sum = 0;
  for (std::size_t i = 0; i < told.top.size(); ++i) {
    const ToldScore& score = told.top[i];
    if (score.id == kUnknownId) {
      sum += std::exp(static_cast<double>(score.logprob));
      continue;
    }
    if (find_score(all.scores, score.id) != nullptr) return told_error(told.position, "each id once", score);
    all.scores.push_back({score.id, score.logprob, i < ranked ? static_cast<std::int32_t>(i + 1) : 0});
  }
  const float least_ranked = ranked == 0 ? 0.0F : told.top[ranked - 1].logprob;
  if (auto added = add(all, told.own, least_ranked); !added) return added.error();
  for (const ToldScore& other : told.others) {
    if (is_nothing(other)) continue;
    if (auto added = add(all, other, least_ranked); !added) return added.error();
  }
  sort_unless_sorted(all.scores, in_order);
  for (const TokenScore& score : all.scores) sum += std::exp(static_cast<double>(score.logprob));
  if (!(sum <= kMostSoftmaxSum)) {
    return Error{"", fmt::format("position {}", told.position), "probabilities that sum to 1 at most",
                 fmt::format("{:.6g}", sum)};
  }
  return all;
}

}  // namespace assay
