#include <algorithm>
#include <limits>

#include "attacks/baselines/baselines.h"
#include "attacks/baselines/lmcv_metrics.h"

namespace assay::attacks {
namespace {

constexpr double kPassQuantile = 0.99;
constexpr double kPassMultiplier = 1.25;
constexpr double kRejectMultiplier = 3;
constexpr double kOverlapMargin = 0.02;

// The bounds within which a request passes.
LmcvMetrics pass_bounds(std::span<const Trial> honest) {
  std::vector<LmcvMetrics> all;
  for (const Trial& trial : honest) {
    const auto more = lmcv_metrics(trial);
    all.insert(all.end(), more.begin(), more.end());
  }
  LmcvMetrics bounds;
  for (std::size_t m = 0; m < bounds.larger_is_worse.size(); ++m) {
    std::vector<double> values;
    for (const LmcvMetrics& metrics : all) values.push_back(metrics.larger_is_worse[m]);
    bounds.larger_is_worse[m] = linear_quantile(std::move(values), kPassQuantile) * kPassMultiplier;
  }
  std::vector<double> overlaps;
  for (const LmcvMetrics& metrics : all) {
    overlaps.push_back(metrics.overlap);
    bounds.worst_rank = std::max(bounds.worst_rank, metrics.worst_rank);
  }
  bounds.overlap = std::max(0.0, linear_quantile(std::move(overlaps), 1 - kPassQuantile) - kOverlapMargin);
  return bounds;
}

double ratio(double value, double bound) {
  if (value <= bound) return bound > 0 ? value / bound : 0;
  return bound > 0 ? value / bound : std::numeric_limits<double>::infinity();
}

// The largest value over its pass bound; at most 1: the request passes.
double worst_ratio(const LmcvMetrics& metrics, const LmcvMetrics& bounds) {
  double worst = ratio(bounds.overlap, metrics.overlap);
  for (std::size_t m = 0; m < metrics.larger_is_worse.size(); ++m) {
    worst = std::max(worst, ratio(metrics.larger_is_worse[m], bounds.larger_is_worse[m]));
  }
  return worst;
}

}  // namespace

Decision lmcv(const Trial& trial, std::span<const Trial> honest) {
  if (honest.empty()) return {};
  const LmcvMetrics bounds = pass_bounds(honest);
  double worst = 0;
  bool foreign = false;  // tokens drawn from the whole vocabulary may have any rank
  const bool ranks_are_bound = trial.record.settings.sampling.sampler == Sampler::greedy;
  for (const LmcvMetrics& metrics : lmcv_metrics(trial)) {
    worst = std::max(worst, worst_ratio(metrics, bounds));
    foreign |= ranks_are_bound && metrics.worst_rank > bounds.worst_rank;
  }
  const bool rejected = foreign || worst > kRejectMultiplier;
  const Outcome outcome = rejected    ? Outcome::refuted
                          : worst > 1 ? Outcome::inconclusive
                                      : Outcome::consistent;
  return {outcome, worst / kRejectMultiplier};
}

}  // namespace assay::attacks
