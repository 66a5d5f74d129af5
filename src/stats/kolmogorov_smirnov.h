// The two-sample Kolmogorov-Smirnov test, as published detectors of changed models use it: a baseline.
#pragma once

#include <span>

namespace assay {

struct KolmogorovSmirnov {
  double statistic = 0;  // the largest difference of the two empirical distribution functions
  double p_value = 1;    // asymptotic: Q(sqrt(n m / (n + m)) * statistic); too large with ties
};

// Fault: an empty sample, NaN. Infinities are ordered like other values. n log n.
KolmogorovSmirnov kolmogorov_smirnov(std::span<const double> a, std::span<const double> b);

// Q(x) = P(sup |Brownian bridge| > x) = 2 sum over k >= 1 of (-1)^(k-1) exp(-2 k^2 x^2). Fault: x < 0 or NaN.
double kolmogorov_tail(double x);

}  // namespace assay
