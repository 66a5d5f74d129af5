#include "verify/likelihood_path.h"

#include <algorithm>
#include <cmath>

#include "stats/e_process.h"

namespace assay {
namespace {

constexpr double kInflations[] = {4, 32};

const PositionDifferences* find(std::span<const PositionDifferences> positions, Index position,
                                std::size_t hint) {
  if (hint < positions.size() && positions[hint].position == position) return &positions[hint];
  const auto found = std::find_if(positions.begin(), positions.end(), [&](const PositionDifferences& other) {
    return other.position == position;
  });
  return found == positions.end() ? nullptr : &*found;
}

// Adds a position's ln P of each alternative to `sums`, which hold the rivals and then the inflations.
void add_alternatives(const Explanation& own, std::span<const Explanation> rivals, std::size_t at,
                      double own_log, std::vector<double>& sums) {
  for (std::size_t a = 0; a < rivals.size(); ++a) {
    const auto* theirs = find(rivals[a].positions, own.positions[at].position, at);
    sums[a] += theirs == nullptr ? own_log : log_likelihood(*rivals[a].noise, *theirs);
  }
  for (std::size_t i = 0; i < std::size(kInflations); ++i) {
    sums[rivals.size() + i] += log_likelihood(*own.noise, own.positions[at], kInflations[i]);
  }
}

}  // namespace

std::vector<double> score_path(const Explanation& own, std::span<const Explanation> rivals, double weights) {
  std::vector<double> sums(rivals.size() + std::size(kInflations), 0);
  std::vector<double> path;
  double own_sum = 0;
  double best = 0;
  for (std::size_t at = 0; at < own.positions.size(); ++at) {
    const double own_log = log_likelihood(*own.noise, own.positions[at]);
    own_sum += own_log;
    add_alternatives(own, rivals, at, own_log, sums);
    best = std::max(best, log_sum_exp(sums) - std::log(weights) - own_sum);
    path.push_back(best);
  }
  return path;
}

std::vector<double> rounded_score_path(const Explanation& own, double weights, double rounding) {
  std::vector<PositionDifferences> shrunk(own.positions.begin(), own.positions.end());
  for (PositionDifferences& position : shrunk) {
    for (Difference& difference : position.values) {
      const bool level = difference.kind == DifferenceKind::level;
      const double location = (level ? own.noise->level : own.noise->ratio).location;
      const double off = difference.value - location;
      difference.value = location + std::copysign(std::max(0.0, std::fabs(off) - rounding), off);
      difference.step = difference.verifier_step;
    }
  }
  return score_path({shrunk, own.noise}, {}, weights);
}

double kept_score(double score) { return std::round(score * 1000) / 1000; }

std::vector<double> token_score_path(std::span<const TokenCheck> tokens) {
  std::vector<double> path;
  double sum = 0;
  for (const TokenCheck& token : tokens)
    path.push_back(sum += std::min(1.0, static_cast<double>(token.margin)));
  return path;
}

}  // namespace assay
