#include "number/transcendental.h"

namespace assay {
namespace {

// e^x for 0 <= x <= 700: 16 halvings, Taylor to degree 8, square back in. (Of a negative x, p + 1 would
// cancel.)
double exp_double(double x) {
  constexpr int kHalvings = 16;
  const double r = x * 0x1p-16;
  double p = 0.0;
  for (int k = 8; k >= 1; --k) p = (p + 1.0) * r / k;     // e^r - 1 = r(1 + r/2(1 + r/3(...)))
  for (int i = 0; i < kHalvings; ++i) p = p * (p + 2.0);  // (1+p)^2 - 1, no digits lost to the 1
  return p + 1.0;
}

// Natural logarithm of x >= 1: x = 2^e m, log m = 2 atanh((m-1)/(m+1)).
double log_double(double x) {
  int exponent = 0;
  while (x >= 1.5) {
    x *= 0.5;
    ++exponent;
  }
  const double s = (x - 1.0) / (x + 1.0);  // |s| <= 1/5 (x in [0.75, 1.5))
  double series = 0.0;
  for (int k = 41; k >= 1; k -= 2) series = series * s * s + 1.0 / k;
  return 2.0 * s * series + exponent * 0x1.62e42fefa39efp-1;
}

}  // namespace

double portable_inverse_power(double theta, double fraction) {
  return 1.0 / exp_double(fraction * log_double(theta));
}

SinCos portable_sincos(double angle) {
  // Reduce to |r| <= pi/4 with pi/2 in three parts of at most 33 bits, so that quadrant * part is exact.
  const double shift = 0x1.8p52;
  const double quadrant = (angle * 0x1.45f306dc9c883p-1 + shift) - shift;
  double r = angle - quadrant * 0x1.921fb544p0;
  r -= quadrant * 0x1.0b4611a6p-34;
  r -= quadrant * 0x1.3198a2e037073p-69;
  const double square = r * r;
  double sine = 0.0;
  for (int k = 18; k >= 2; k -= 2) sine = (-1.0 - sine) * square / (k * (k + 1));
  sine = r + r * sine;
  double cosine = 0.0;
  for (int k = 17; k >= 1; k -= 2) cosine = (-1.0 - cosine) * square / (k * (k + 1));
  cosine += 1.0;
  switch (static_cast<std::int64_t>(quadrant) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace assay
