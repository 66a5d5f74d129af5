#include "engine/remote/wanted_scores.h"

#include <algorithm>

namespace assay {
namespace {

constexpr Index kUsualTopK = 20;

}  // namespace

bool checks_greedy(const ScoreRequest& request) {
  return request.check_tokens && request.sampling.sampler == Sampler::greedy;
}

PositionScores asked_of(const PositionScores& all, const AskedPosition& asked, TokenId own) {
  PositionScores some{.position = all.position, .scores = {}};
  for (const TokenScore& score : all.scores) {
    const bool top = score.rank > 0 && score.rank <= asked.top_k;
    const bool named = std::find(asked.ids.begin(), asked.ids.end(), score.id) != asked.ids.end();
    if (top || named || score.id == own) some.scores.push_back(score);
  }
  return some;
}

std::optional<TokenCheck> greedy_check(const PositionScores& all, TokenId own) {
  const TokenScore* score = find_score(all.scores, own);
  if (score == nullptr || score->rank == 0) return std::nullopt;
  return TokenCheck{all.position, score->rank, all.scores.front().logprob - score->logprob, score->logprob};
}

PositionRange recorded_range(Index begin, Index count, Index last) {
  const Index end = begin + count;
  const Index first = last == 0 ? begin : std::max(begin, end - last);
  return {std::min(end, std::max(Index{1}, first)), end};
}

Index first_needed(const ScoreRequest& request) {
  auto first = static_cast<Index>(request.tokens.size());
  if (!request.asked.empty()) first = std::min(first, request.asked.front().position);
  if (checks_greedy(request)) first = std::min(first, std::max(Index{1}, request.prompt_length));
  return first;
}

Index widened_top_k(Index top_k, Index most) {
  return std::max(top_k, most == 0 ? kUsualTopK : std::min(most, kUsualTopK));
}

Index widened_top_k(const ScoreRequest& request, Index most) {
  Index top_k = 0;
  for (const AskedPosition& asked : request.asked) top_k = std::max(top_k, asked.top_k);
  return widened_top_k(top_k, most);
}

Result<Scores> gather_scores(const ScoreRequest& request, Environment served, const PositionReader& read) {
  Scores scores{.positions = {}, .tokens = {}, .served = std::move(served)};
  const bool greedy = checks_greedy(request);
  bool every_token = greedy;
  auto wanted = request.asked.begin();
  for (Index position = first_needed(request); position < std::ssize(request.tokens); ++position) {
    const bool is_asked = wanted != request.asked.end() && wanted->position == position;
    const bool is_checked = greedy && position >= request.prompt_length;
    if (!is_asked && !is_checked) continue;
    const TokenId own = request.tokens[static_cast<std::size_t>(position)];
    const auto all = read(position, own);
    if (!all) return all.error();
    if (is_asked) scores.positions.push_back(asked_of(*all, *wanted++, own));
    if (!is_checked) continue;
    const auto check = greedy_check(*all, own);
    every_token = every_token && check.has_value();
    if (check) scores.tokens.push_back(*check);
  }
  if (!every_token) scores.tokens.clear();
  return scores;
}

}  // namespace assay
