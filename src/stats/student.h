// Student's t with a scale, and its probability of one bin of a lattice: differences of rounded numbers lie
// on a lattice, where a density would make exact agreement infinitely likely.
#pragma once

#include <array>

namespace assay {

// Even degrees of freedom: the density needs a square root and products, the distribution function is a
// finite sum (Abramowitz and Stegun 26.7.4).
inline constexpr std::array<int, 4> kStudentDegrees = {2, 4, 8, 30};

// Of all functions: |y| / scale beyond 1e150 counts as 1e150, so results are finite for all finite input.
// Fault: y not finite; scale or step not positive and finite; nu not in kStudentDegrees.

double student_log_density(double y, double scale, int nu);

// ln of the probability of [y - step / 2, y + step / 2], to 1e-12 (and two roundings of the logarithm)
// however far y is in the tail. About 0.1 us.
double student_log_probability(double y, double scale, int nu, double step);

// The same and its derivatives. By Fisher's identity they are means over the bin of the density's scores.
struct StudentBin {
  double log_probability = 0;
  double by_location = 0;   // d / d location, where y is an observation less the location
  double by_log_scale = 0;  // d / d ln scale
};

StudentBin student_bin(double y, double scale, int nu, double step);

}  // namespace assay
