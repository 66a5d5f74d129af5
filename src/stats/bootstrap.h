// Confidence intervals of any statistic by resampling whole clusters (Efron and Tibshirani, "An Introduction
// to the Bootstrap", 1993). Tokens of one prompt are not independent; prompts are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/index.h"
#include "stats/binomial.h"

namespace assay {

struct BootstrapOptions {
  Index resamples = 2000;
  double confidence = 0.95;
  std::uint64_t seed = 1;
};

// `statistic` gets the numbers of the drawn clusters, `clusters` of them with repetition, and is called
// `resamples` times. Percentile interval; the percentiles are moved outwards for few clusters n
// (Hesterberg, "What teachers should know about the bootstrap", 2015): alpha' = Phi(sqrt(n / (n - 1))
// t_{alpha / 2, n - 1}), so that the interval of a mean is as long as Student's. No interpolation: the ends
// are values of the statistic, the next ones outwards, so infinite values are welcome. Deterministic.
// None for fewer than two clusters. Fault: the statistic is NaN, an option is out of range.
std::optional<Interval> bootstrap_interval(Index clusters,
                                           const std::function<double(std::span<const Index>)>& statistic,
                                           const BootstrapOptions& options = {});

}  // namespace assay
