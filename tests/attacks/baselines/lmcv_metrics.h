// The metrics of LMCV (baselines.h), request by request.
#pragma once

#include <array>
#include <vector>

#include "attacks/trial.h"

namespace assay::attacks {

// Of one request. All but the overlap are worse when larger.
struct LmcvMetrics {
  std::array<double, 5> larger_is_worse = {};  // mean, p95, p99, share of changed ranks, p99 of divergence
  double overlap = 1;                          // mean Jaccard index of the top k
  std::int32_t worst_rank = 1;                 // of a generated token under the claimed setup
};

std::vector<LmcvMetrics> lmcv_metrics(const Trial& trial);

// Linear between order statistics, as LMCV's. Fault: no values.
double linear_quantile(std::vector<double> values, double q);

}  // namespace assay::attacks
