// Rates: what counts of successes and trials say about a probability (Clopper and Pearson, "The use of
// confidence or fiducial limits", 1934). Exact: the stated confidence is a lower bound of the coverage for
// every rate and every number of trials, if the trials are independent.
#pragma once

#include <span>

#include "base/index.h"

namespace assay {

struct Interval {
  double low = 0;
  double high = 0;
};

// Faults of all functions here: 0 <= successes <= trials or 0 < confidence < 1 does not hold.

// One-sided: the rate is at most this. No trials say nothing: 1.
double rate_upper_bound(Index successes, Index trials, double confidence);

// Two-sided, (1 - confidence) / 2 on each side. No trials: [0, 1].
Interval rate_interval(Index successes, Index trials, double confidence);

// The smallest number of trials that, all without a success, bound the rate by `rate`:
// ceil(ln(1 - confidence) / ln(1 - rate)); at 95 % nearly 3 / rate. Fault unless 0 < rate < 1.
Index trials_to_promise(double rate, double confidence);

// Trials come in clusters (tokens of one prompt), which may resemble each other. How many independent trials
// would tell as much: n / max(1, D) with the design effect D = v_clustered / v_binomial of the rate
// p = sum(s_i) / sum(n_i), where with C clusters that have trials
//   v_clustered = C / (C - 1) * sum((s_i - p n_i)^2) / n^2   (ratio estimator, linearized; Kish 1965)
//   v_binomial  = p (1 - p) / n.
// Where D cannot be estimated (p is 0 or 1, one cluster) the worst is taken, clusters that are all of a kind:
// C. 0 without trials. Fault: lengths differ.
double effective_trials(std::span<const Index> successes, std::span<const Index> trials);

// rate_upper_bound of clustered trials (Korn and Graubard, "Confidence intervals for proportions with small
// expected number of positive counts", 1998): Clopper-Pearson with p and effective_trials, these shrunk
// by (z / t_{C-1})^2, since D is estimated from C clusters. Approximate, but for no successes in clusters of
// equal size, where it is exact.
double clustered_rate_upper_bound(std::span<const Index> successes, std::span<const Index> trials,
                                  double confidence);

}  // namespace assay
