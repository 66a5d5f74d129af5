#include "stats/bootstrap.h"

#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "stats/draw.h"

namespace assay {
namespace {

// The lower percentile of Hesterberg's expanded interval.
double expanded_tail(Index clusters, double confidence) {
  const auto n = static_cast<double>(clusters);
  const double t = boost::math::quantile(boost::math::students_t(n - 1), (1 - confidence) / 2);
  return boost::math::cdf(boost::math::normal(), std::sqrt(n / (n - 1)) * t);
}

}  // namespace

std::optional<Interval> bootstrap_interval(Index clusters,
                                           const std::function<double(std::span<const Index>)>& statistic,
                                           const BootstrapOptions& options) {
  require(options.resamples > 0, "a bootstrap needs resamples");
  require(options.confidence > 0 && options.confidence < 1, "a confidence lies between 0 and 1");
  if (clusters < 2) return std::nullopt;
  SplitMix64 random(options.seed);
  std::vector<Index> drawn(static_cast<std::size_t>(clusters));
  std::vector<double> values(static_cast<std::size_t>(options.resamples));
  for (double& value : values) {
    for (Index& cluster : drawn) cluster = draw_below(random, clusters);
    value = statistic(drawn);
    require(!std::isnan(value), "a bootstrapped statistic is NaN");
  }
  std::sort(values.begin(), values.end());
  const double tail = expanded_tail(clusters, options.confidence);
  const auto below = static_cast<std::size_t>(tail * static_cast<double>(values.size() - 1));
  return Interval{values[below], values[values.size() - 1 - below]};
}

}  // namespace assay
