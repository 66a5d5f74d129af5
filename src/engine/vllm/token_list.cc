#include "engine/vllm/token_list.h"

#include <algorithm>
#include <cmath>

#include "record/check.h"

namespace assay {
namespace {

bool ranks_before(const TokenScore& a, const TokenScore& b) {
  if (a.logprob != b.logprob) return a.logprob > b.logprob;
  if ((a.rank == 0) != (b.rank == 0)) return b.rank == 0;
  return a.rank != b.rank ? a.rank < b.rank : a.id < b.id;
}

Result<void> check_ids(const std::vector<TokenScore>& list, TokenId own, const ReplyPlace& place) {
  bool has_own = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    has_own = has_own || list[i].id == own;
    for (std::size_t j = 0; j < i; ++j) {
      if (list[j].id == list[i].id) {
        return reply_error(place, "each id once", fmt::format("id {} twice", list[i].id));
      }
    }
  }
  if (has_own) return {};
  return reply_error(place, fmt::format("the position's own token {}", own), "none");
}

Result<void> check_count(Index count, const ListRules& rules, const ReplyPlace& place) {
  const Index k = std::max(rules.top_k, Index{1});
  if (count == k || count == rules.top_k + 1) return {};
  return reply_error(place, fmt::format("{} or {} ids", k, rules.top_k + 1), std::to_string(count));
}

// `list` is in order.
Result<void> check_values(const std::vector<TokenScore>& list, const ReplyPlace& place) {
  constexpr const char* kLogits = "log-probabilities (a server with --logprobs-mode raw_logits sends logits)";
  if (!(list.front().logprob <= 0))
    return reply_error(place, kLogits, fmt::format("{}", list.front().logprob));
  double sum = 0;
  std::int32_t rank = 0;
  for (const TokenScore& score : list) {
    sum += std::exp(static_cast<double>(score.logprob));
    if (score.rank == 0) continue;
    if (score.rank < rank) {
      return reply_error(place, "ranks in the order of the log-probabilities",
                         fmt::format("rank {} after {}", score.rank, rank));
    }
    rank = score.rank;
  }
  if (sum <= kMostSoftmaxSum) return {};
  return reply_error(place, kLogits, fmt::format("probabilities that sum to {:.6g}", sum));
}

}  // namespace

// Servers list the own token first and the others in order, so that nearly nothing is moved.
void sort_by_rank(std::vector<TokenScore>& list) {
  for (auto at = list.begin(); at != list.end(); ++at) {
    if (at == list.begin() || !ranks_before(*at, *(at - 1))) continue;
    std::rotate(std::upper_bound(list.begin(), at, *at, ranks_before), at, at + 1);
  }
}

Result<void> settle_list(std::vector<TokenScore>& list, TokenId own, const ListRules& rules,
                         const ReplyPlace& place) {
  const auto count = static_cast<Index>(list.size());
  if (auto checked = check_count(count, rules, place); !checked) return checked;
  if (auto checked = check_ids(list, own, place); !checked) return checked;
  sort_by_rank(list);
  if (auto checked = check_values(list, place); !checked) return checked;
  // Whether the own token is one of the top k cannot be told where it is the last of those that are listed, unless
  // the list is the top k and no more.
  const bool all_in_top = rules.form == ListForm::k_or_one_more && count == rules.top_k;
  for (Index i = 0; i < count; ++i) {
    TokenScore& score = list[static_cast<std::size_t>(i)];
    const bool outside = score.id == own && i + 1 == count && !all_in_top;
    if (outside && !rules.own_ranks) score.rank = 0;
    if (score.rank == 0 && !outside) score.rank = static_cast<std::int32_t>(i + 1);
  }
  std::erase_if(list, [](const TokenScore& score) { return std::isinf(score.logprob); });
  return {};
}

}  // namespace assay
