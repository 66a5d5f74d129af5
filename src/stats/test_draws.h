// Draws that tests and benches need.
#pragma once

#include <cmath>
#include <numbers>

#include "stats/draw.h"

namespace assay {

inline double draw_normal(SplitMix64& random) {  // Box and Muller 1958
  const double radius = std::sqrt(-2 * std::log(draw_unit(random)));
  return radius * std::cos(2 * std::numbers::pi * draw_unit(random));
}

// Student's t, nu even: the chi-square of nu degrees is a sum of nu / 2 exponentials.
inline double draw_student(SplitMix64& random, int nu) {
  double chi_square = 0;
  for (int i = 0; i < nu / 2; ++i) chi_square -= 2 * std::log(draw_unit(random));
  return draw_normal(random) * std::sqrt(nu / chi_square);
}

}  // namespace assay
