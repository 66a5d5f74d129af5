// The largest value of a smooth function of a few variables: BFGS (Nocedal and Wright, "Numerical
// Optimization", 2006, algorithm 6.1) with steps that are halved until they gain enough.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace assay {

struct Maximum {
  std::vector<double> at;
  double value = 0;
};

// Returns the function's value at a point and writes its gradient. NaN and -inf are refused as worse.
using SmoothFunction = std::function<double(std::span<const double> at, std::span<double> gradient)>;

// `start_variances` are about the inverse of the negated second derivatives there, > 0; they set the units.
// Ends when a quadratic model promises a gain below 1e-9, no step gains, or after 200 steps: a local maximum
// unless the function is concave. Deterministic. Fault: lengths differ, no finite value at the start.
Maximum maximize(const SmoothFunction& function, std::vector<double> start,
                 std::span<const double> start_variances);

}  // namespace assay
