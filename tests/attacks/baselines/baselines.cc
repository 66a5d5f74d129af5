#include "attacks/baselines/baselines.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "attacks/baselines/paired.h"
#include "stats/kolmogorov_smirnov.h"

namespace assay::attacks {
namespace {

constexpr Rule kBaselines[] = {{"SNR", seed_snr},
                               {"LMCV", lmcv},
                               {"GRAIL median", grail_median},
                               {"KS", kolmogorov_smirnov_test},
                               {"token match", token_match}};

Outcome refuted_if(bool condition) { return condition ? Outcome::refuted : Outcome::consistent; }

double match_rate(const Trial& trial) {
  const auto pairs = generated_pairs(trial);
  const auto matches =
      std::count_if(pairs.begin(), pairs.end(), [](const PairedPosition& pair) { return pair.chosen; });
  return static_cast<double>(matches) / static_cast<double>(pairs.size());
}

}  // namespace

std::span<const Rule> baselines() { return kBaselines; }

Decision grail_median(const Trial& trial, std::span<const Trial>) {
  constexpr Index kChallenges = 32;
  constexpr double kLargestMedian = 0.10;
  std::vector<double> deviations;
  for (const PairedPosition& pair : challenged(generated_pairs(trial), kChallenges)) {
    deviations.push_back(std::expm1(pair.difference()));
  }
  std::sort(deviations.begin(), deviations.end());
  const std::size_t middle = deviations.size() / 2;
  const double median =
      deviations.size() % 2 == 1 ? deviations[middle] : (deviations[middle - 1] + deviations[middle]) / 2;
  return {refuted_if(median > kLargestMedian), median};
}

Decision kolmogorov_smirnov_test(const Trial& trial, std::span<const Trial>) {
  constexpr Index kPositions = 10;
  constexpr double kLevel = 0.05;
  std::vector<double> recorded;
  std::vector<double> fresh;
  for (const PairedPosition& pair : challenged(generated_pairs(trial), kPositions)) {
    for (const TokenScore& score : pair.claimed->scores) {
      const TokenScore* other = find_score(*pair.verifier, score.id);
      if (other == nullptr) continue;
      recorded.push_back(score.logprob);
      fresh.push_back(other->logprob);
    }
  }
  const double p = kolmogorov_smirnov(recorded, fresh).p_value;
  return {refuted_if(p < kLevel), p};
}

Decision token_match(const Trial& trial, std::span<const Trial> honest) {
  double lowest = std::numeric_limits<double>::infinity();
  for (const Trial& other : honest) lowest = std::min(lowest, match_rate(other));
  const double rate = match_rate(trial);
  return {honest.empty() ? Outcome::inconclusive : refuted_if(rate < lowest), rate};
}

}  // namespace assay::attacks
