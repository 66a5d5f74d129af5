#include "attacks/baselines/lmcv_metrics.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "attacks/baselines/paired.h"
#include "base/error.h"

namespace assay::attacks {
namespace {

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Ids and probabilities of a side's top k.
std::map<TokenId, double> top(const PositionScores& list, Index top_k) {
  std::map<TokenId, double> result;
  for (const TokenScore& score : list.scores) {
    if (static_cast<Index>(result.size()) == top_k) break;
    result[score.id] = std::exp(double{score.logprob});
  }
  return result;
}

// In nats, of the lists made distributions over their union; what a side did not list has probability 0.
double jensen_shannon(const std::map<TokenId, double>& a, const std::map<TokenId, double>& b) {
  const auto total = [](const auto& list) {
    double sum = 0;
    for (const auto& [id, p] : list) sum += p;
    return sum;
  };
  const auto half = [](const auto& one, double one_sum, const auto& other, double other_sum) {
    double sum = 0;
    for (const auto& [id, value] : one) {
      const double p = value / one_sum;
      const auto found = other.find(id);
      const double q = found == other.end() ? 0 : found->second / other_sum;
      if (p > 0) sum += p * std::log(2 * p / (p + q));
    }
    return sum;
  };
  return (half(a, total(a), b, total(b)) + half(b, total(b), a, total(a))) / 2;
}

double jaccard(const std::map<TokenId, double>& a, const std::map<TokenId, double>& b) {
  const auto common =
      std::count_if(a.begin(), a.end(), [&](const auto& item) { return b.contains(item.first); });
  return static_cast<double>(common) /
         static_cast<double>(a.size() + b.size() - static_cast<std::size_t>(common));
}

LmcvMetrics metrics_of(std::span<const PairedPosition> pairs, Index top_k) {
  std::vector<double> differences;
  std::vector<double> divergences;
  std::vector<double> overlaps;
  double changed = 0;
  LmcvMetrics metrics;
  for (const PairedPosition& pair : pairs) {
    const auto claimed = top(*pair.claimed, top_k);
    const auto verifier = top(*pair.verifier, top_k);
    differences.push_back(pair.difference());
    divergences.push_back(jensen_shannon(claimed, verifier));
    overlaps.push_back(jaccard(claimed, verifier));
    changed += pair.claimed_rank == pair.verifier_rank ? 0 : 1;
    metrics.worst_rank = std::max(metrics.worst_rank, pair.verifier_rank);
  }
  metrics.larger_is_worse = {mean(differences), linear_quantile(differences, 0.95),
                             linear_quantile(differences, 0.99), changed / static_cast<double>(pairs.size()),
                             linear_quantile(divergences, 0.99)};
  metrics.overlap = mean(overlaps);
  return metrics;
}

}  // namespace

double linear_quantile(std::vector<double> values, double q) {
  require(!values.empty(), "a quantile needs values");
  std::sort(values.begin(), values.end());
  const double place = static_cast<double>(values.size() - 1) * q;
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return std::lerp(values[low], values[high], place - std::floor(place));
}

std::vector<LmcvMetrics> lmcv_metrics(const Trial& trial) {
  std::map<Index, std::vector<PairedPosition>> requests;
  for (const PairedPosition& pair : generated_pairs(trial)) requests[pair.reference].push_back(pair);
  std::vector<LmcvMetrics> all;
  for (const auto& [reference, pairs] : requests) {
    all.push_back(metrics_of(pairs, trial.record.settings.top_k));
  }
  return all;
}

}  // namespace assay::attacks
