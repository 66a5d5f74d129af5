#include "verify/distance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "number/compare.h"

namespace assay {
namespace {

// First position of the phase, and the one after its last.
struct Extent {
  Index begin = 0;
  Index end = 0;
};

Extent extent(const PhaseView& view) {
  const auto prompt = static_cast<Index>(view.prompt.size());
  if (!view.decode) return {0, prompt};
  return {prompt, prompt + static_cast<Index>(view.generated.size())};
}

TokenId own_token(const PhaseView& view, Index position) {
  const auto at = static_cast<std::size_t>(position);
  return at < view.prompt.size() ? view.prompt[at] : view.generated[at - view.prompt.size()];
}

// Whether the tokens before `position` are the same in both runs.
bool same_context(const PhaseView& a, const PhaseView& b, Index position) {
  const auto prompt = static_cast<std::size_t>(std::min(position, static_cast<Index>(a.prompt.size())));
  if (prompt > b.prompt.size() ||
      !std::equal(a.prompt.begin(), a.prompt.begin() + static_cast<Index>(prompt), b.prompt.begin())) {
    return false;
  }
  if (!a.decode) return true;
  const auto generated = static_cast<std::size_t>(position) - a.prompt.size();
  return a.prompt.size() == b.prompt.size() && generated <= b.generated.size() &&
         std::equal(a.generated.begin(), a.generated.begin() + static_cast<Index>(generated),
                    b.generated.begin());
}

// The list that vLLM would give for this position: the own token, then the top_k by rank. A rank of 0 (not
// recorded) stays: imported lists hold nothing but this.
std::vector<TokenScore> seed_list(const PhaseView& view, const PositionScores& position, Index top_k) {
  const TokenId own = own_token(view, position.position);
  std::vector<TokenScore> list;
  for (const TokenScore& score : position.scores) {
    if (score.id == own || score.rank <= top_k) list.push_back(score);
  }
  std::stable_partition(list.begin(), list.end(), [own](const TokenScore& score) { return score.id == own; });
  return list;
}

bool bits_agree(std::span<const TokenScore> a, std::span<const TokenScore> b) {
  return std::all_of(a.begin(), a.end(), [b](const TokenScore& score) {
    const TokenScore* other = find_score(b, score.id);
    return other == nullptr || same_bits(score.logprob, other->logprob);
  });
}

}  // namespace

PhaseView prefill_view(const Generation& run) {
  return {run.prompt_ids, run.generated_ids, run.prefill, false};
}

PhaseView decode_view(const Generation& run) { return {run.prompt_ids, run.generated_ids, run.decode, true}; }

double position_distance(std::span<const TokenScore> a, std::span<const TokenScore> b, Index limit) {
  if (limit > 0) a = a.first(std::min(a.size(), static_cast<std::size_t>(limit)));
  double squares = 0;
  bool shared = false;
  for (const TokenScore& score : a) {
    const TokenScore* other = find_score(b, score.id);
    if (other == nullptr) continue;
    shared = true;
    const double difference = static_cast<double>(score.logprob) - static_cast<double>(other->logprob);
    squares += difference * difference;
  }
  return shared ? std::sqrt(squares) : kNothingShared;
}

PhaseComparison compare_phase(const PhaseView& a, const PhaseView& b, DistanceRule rule, Index top_k) {
  const Index shift = extent(b).end - extent(a).end;
  PhaseComparison result;
  double sum = 0;
  for (const PositionScores& position : a.scores) {
    const auto other = std::find_if(b.scores.begin(), b.scores.end(), [&](const PositionScores& candidate) {
      return candidate.position == position.position + shift;
    });
    if (other == b.scores.end()) continue;
    const bool seed = rule == DistanceRule::seed;
    if (!seed && (shift != 0 || !same_context(a, b, position.position))) continue;
    const auto list_a = seed ? seed_list(a, position, top_k) : position.scores;
    const auto list_b = seed ? seed_list(b, *other, top_k) : other->scores;
    const double distance = position_distance(list_a, list_b, seed ? top_k : 0);
    if (distance == kNothingShared) continue;
    ++result.positions;
    const bool agree = bits_agree(list_a, list_b);
    result.bit_equal += agree ? 1 : 0;
    if (!agree && result.first_difference == 0) result.first_difference = position.position;
    sum += distance;
    result.max = std::max(result.max, distance);
  }
  if (result.positions == 0) return {.mean = kNothingShared, .max = kNothingShared};
  result.mean = sum / static_cast<double>(result.positions);
  return result;
}

}  // namespace assay
