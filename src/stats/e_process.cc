#include "stats/e_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay {

double log_sum_exp(std::span<const double> logs) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const double x : logs) {
    require(!std::isnan(x), "a logarithm is NaN");
    largest = std::max(largest, x);
  }
  if (std::isinf(largest)) return largest;
  double sum = 0;
  for (const double x : logs) sum += std::exp(x - largest);
  return largest + std::log(sum);
}

double log_mean_exp(std::span<const double> logs) {
  require(!logs.empty(), "no terms to average");
  return log_sum_exp(logs) - std::log(static_cast<double>(logs.size()));
}

double conformal_bet(double p, Index bag_size, double share) {
  require(p > 0 && p <= 1, "a conformal p-value lies in (0, 1]");
  require(bag_size >= 0, "a bag has no negative size");
  require(share >= 0 && share <= 1, "a share lies within 0 .. 1");
  const Index ranks = bag_size + 1;
  const Index levels = std::min<Index>(8, ranks);
  const auto n = static_cast<double>(ranks);
  double paid = 0;
  for (Index j = 1; j <= levels; ++j) {
    const auto level = static_cast<double>(j);
    if (p <= level / n) paid += n / level;
  }
  return (1 - share) + share * paid / static_cast<double>(levels);
}

ConformalEProcess::ConformalEProcess(std::vector<double> calibration_scores)
    : bag_(std::move(calibration_scores)) {}

std::array<double, ConformalEProcess::kShares.size()> ConformalEProcess::logs_with(double p) const {
  auto logs = logs_;
  for (std::size_t i = 0; i < logs.size(); ++i)
    logs[i] += std::log(conformal_bet(p, bag_.size(), kShares[i]));
  return logs;
}

double ConformalEProcess::log_e_value(double current_score) const {
  return log_mean_exp(logs_with(bag_.p_value(current_score)));
}

void ConformalEProcess::finish(double score) {
  logs_ = logs_with(bag_.p_value(score));
  bag_.add(score);
}

double ConformalEProcess::log_e() const { return log_mean_exp(logs_); }

BoundedMeanEProcess::BoundedMeanEProcess(double mean, double cap) : mean_(mean), cap_(cap) {
  require(mean > 0 && cap > mean && std::isfinite(cap), "a bounded mean needs 0 < mean < cap");
  double lambda = mean / (cap - mean);
  for (double& bet : lambdas_) {
    bet = lambda;
    lambda /= 2;
  }
}

void BoundedMeanEProcess::add(double y) {
  require(y >= 0, "a bounded observation is negative or NaN");
  const double gain = 1 - std::min(y, cap_) / mean_;
  for (std::size_t i = 0; i < logs_.size(); ++i) logs_[i] += std::log(std::max(0.0, 1 + lambdas_[i] * gain));
  log_max_ = std::max(log_max_, log_e());
}

double BoundedMeanEProcess::log_e() const { return log_mean_exp(logs_); }

}  // namespace assay
