#include "stats/binomial.h"

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

void require_confidence(double confidence) {
  require(confidence > 0 && confidence < 1, "a confidence lies between 0 and 1");
}

// Counts may be effective ones, not whole. The quantile of Beta(successes + 1, trials - successes).
double upper_bound(double successes, double trials, double confidence) {
  require(successes >= 0 && successes <= trials, "successes lie within 0 .. trials");
  require_confidence(confidence);
  if (successes >= trials) return 1;
  return boost::math::ibeta_inv(successes + 1, trials - successes, confidence);
}

struct Clustered {
  double clusters = 0;  // with trials
  double successes = 0;
  double trials = 0;
  double effective = 0;
};

Clustered count_clusters(std::span<const Index> successes, std::span<const Index> trials) {
  require(successes.size() == trials.size(), "successes and trials are of the same clusters");
  Clustered sum;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    require(successes[i] >= 0 && successes[i] <= trials[i], "successes lie within 0 .. trials");
    sum.clusters += trials[i] > 0 ? 1 : 0;
    sum.successes += static_cast<double>(successes[i]);
    sum.trials += static_cast<double>(trials[i]);
  }
  sum.effective = sum.clusters;
  if (sum.clusters < 2 || sum.successes <= 0 || sum.successes >= sum.trials) return sum;
  const double rate = sum.successes / sum.trials;
  double squares = 0;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const double residual = static_cast<double>(successes[i]) - rate * static_cast<double>(trials[i]);
    squares += residual * residual;
  }
  const double design_effect = sum.clusters / (sum.clusters - 1) * squares / (sum.trials * rate * (1 - rate));
  sum.effective = sum.trials / std::max(1.0, design_effect);
  return sum;
}

// (z / t)^2 at `confidence`: what a variance estimated with `degrees` of freedom costs. At most 1.
double shrinkage(double degrees, double confidence) {
  if (confidence <= 0.5) return 1;
  const double z = boost::math::quantile(boost::math::normal(), confidence);
  const double t = boost::math::quantile(boost::math::students_t(degrees), confidence);
  return z / t * (z / t);
}

}  // namespace

double rate_upper_bound(Index successes, Index trials, double confidence) {
  return upper_bound(static_cast<double>(successes), static_cast<double>(trials), confidence);
}

Interval rate_interval(Index successes, Index trials, double confidence) {
  const double high = rate_upper_bound(successes, trials, (1 + confidence) / 2);
  if (successes == 0) return {0, high};
  const auto s = static_cast<double>(successes);
  const auto n = static_cast<double>(trials);
  return {boost::math::ibeta_inv(s, n - s + 1, (1 - confidence) / 2), high};
}

Index trials_to_promise(double rate, double confidence) {
  require(rate > 0 && rate < 1, "a rate to promise lies between 0 and 1");
  require_confidence(confidence);
  return static_cast<Index>(std::ceil(std::log1p(-confidence) / std::log1p(-rate)));
}

double effective_trials(std::span<const Index> successes, std::span<const Index> trials) {
  return count_clusters(successes, trials).effective;
}

double clustered_rate_upper_bound(std::span<const Index> successes, std::span<const Index> trials,
                                  double confidence) {
  require_confidence(confidence);
  const Clustered sum = count_clusters(successes, trials);
  if (sum.trials <= 0) return 1;
  const bool estimated = sum.clusters >= 2 && sum.successes > 0 && sum.successes < sum.trials;
  const double effective =
      estimated ? sum.effective * shrinkage(sum.clusters - 1, confidence) : sum.effective;
  return upper_bound(effective * sum.successes / sum.trials, effective, confidence);
}

}  // namespace assay
