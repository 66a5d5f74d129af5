#include "stats/student.h"

#include <boost/math/quadrature/gauss.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace assay {
namespace {

constexpr double kFarthest = 1e150;  // its square is finite

void require_scaled(double y, double scale, int nu) {
  require(std::isfinite(y), "an observation is not finite");
  require(scale > 0 && std::isfinite(scale), "a scale is not positive and finite");
  require(std::find(kStudentDegrees.begin(), kStudentDegrees.end(), nu) != kStudentDegrees.end(),
          "no such degrees of freedom");
}

double standardized(double y, double scale) { return std::clamp(y / scale, -kFarthest, kFarthest); }

// The density at 0 of scale 1, Gamma((nu + 1) / 2) / (Gamma(nu / 2) sqrt(nu pi)), for even nu
// = (1/2) (3/2) (5/2) .. ((nu - 1) / 2) / ((nu / 2 - 1)! sqrt(nu)).
double peak(int nu) {
  double product = 0.5;
  for (int k = 1; k < nu / 2; ++k) product *= (k + 0.5) / k;
  return product / std::sqrt(static_cast<double>(nu));
}

double log_density(double t, int nu) { return std::log(peak(nu)) - (nu + 1) / 2.0 * std::log1p(t * t / nu); }

// r^((nu + 1) / 2), nu even.
double half_power(double r, int nu) {
  double product = std::sqrt(r);
  double square = r;
  for (int n = nu / 2; n > 0; n /= 2) {
    if (n % 2 == 1) product *= square;
    square *= square;
  }
  return product;
}

// The probability of [-t, t], negative for negative t: sin a * sum over k < nu / 2 of c_k (cos^2 a)^k, where
// tan a = t / sqrt(nu), c_0 = 1, c_{k+1} = c_k (2k + 1) / (2k + 2).
double central(double t, int nu) {
  const double cos2 = nu / (nu + t * t);
  double term = 1;
  double sum = 0;
  for (int k = 0; k < nu / 2; ++k) {
    sum += term;
    term *= cos2 * (2 * k + 1) / (2 * k + 2);
  }
  return t / std::sqrt(nu + t * t) * sum;
}

// ln P(T > t), t >= 0. The whole series sums to 1 / sin a, so the tail is half of what `central` leaves out,
// all of it positive; near the centre, where it converges slowly, a difference loses nothing.
double log_tail(double t, int nu) {
  if (4 * t * t < nu) return std::log((1 - central(t, nu)) / 2);
  const double cos2 = nu / (nu + t * t);
  const int first = nu / 2;
  double log_term = first * (std::log(static_cast<double>(nu)) - std::log(nu + t * t));
  for (int k = 0; k < first; ++k) log_term += std::log((2 * k + 1) / (2 * k + 2.0));
  double term = 1;
  double sum = 0;
  for (int k = first; term > sum * 1e-17; ++k) {
    sum += term;
    term *= cos2 * (2 * k + 1) / (2 * k + 2);
  }
  return log_term + std::log(sum * t / std::sqrt(nu + t * t) / 2);
}

// Bins that are wide against their distance from the singularities +-i sqrt(nu) of the density.
StudentBin wide_bin(double a, double b, double scale, int nu) {
  if (b + a < 0) {
    StudentBin mirrored = wide_bin(-b, -a, scale, nu);
    mirrored.by_location = -mirrored.by_location;
    return mirrored;
  }
  double log_p = 0;
  if (a > 0) {
    const double upper = log_tail(a, nu);
    log_p = upper + std::log1p(-std::exp(log_tail(b, nu) - upper));
  } else {
    const double p = (central(b, nu) - central(a, nu)) / 2;
    log_p = p < 0.5 ? std::log(p) : std::log1p(-std::exp(log_tail(b, nu)) - std::exp(log_tail(-a, nu)));
  }
  const double at_a = std::exp(log_density(a, nu) - log_p);
  const double at_b = std::exp(log_density(b, nu) - log_p);
  return {log_p, (at_a - at_b) / scale, a * at_a - b * at_b};
}

// Gauss-Legendre of the density over its value at the middle.
template <unsigned kNodes>
StudentBin narrow_bin(double t, double half, double scale, int nu, double log_width) {
  using Rule = boost::math::quadrature::gauss<double, kNodes>;
  const double middle = nu + t * t;
  double mass = 0;
  double by_location = 0;
  double by_log_scale = 0;
  const auto add = [&](double x, double weight) {
    const double reach = nu + x * x;
    const double share = weight * half_power(middle / reach, nu);
    mass += share;
    by_location += share * (x / reach);
    by_log_scale += share * (x * (x / reach));
  };
  for (std::size_t i = 0; i < Rule::abscissa().size(); ++i) {
    const double offset = half * Rule::abscissa()[i];
    const double weight = Rule::weights()[i];
    add(t + offset, weight);
    if (i > 0) add(t - offset, weight);  // the first of an odd number of nodes is the middle
  }
  return {log_density(t, nu) + std::log(mass / 2) + log_width - std::log(scale),
          (nu + 1) * by_location / mass / scale, (nu + 1) * by_log_scale / mass - 1};
}

}  // namespace

double student_log_density(double y, double scale, int nu) {
  require_scaled(y, scale, nu);
  return log_density(standardized(y, scale), nu) - std::log(scale);
}

// With d = sqrt(nu + t^2), the distance of the singularities, and h half the bin: a rule of n nodes errs by
// about (2 d / h)^(-2n), and by 2^(2n+1) (n!)^4 / ((2n+1) (2n)!^3) ((nu + 1) h / d)^(2n) of the density's
// nearly exponential fall; below 1e-14 for 7 nodes at h = d / 32, for 15 at d / 4, nu <= 30.
StudentBin student_bin(double y, double scale, int nu, double step) {
  require_scaled(y, scale, nu);
  require(step > 0 && std::isfinite(step), "a step is not positive and finite");
  const double t = standardized(y, scale);
  const double half = std::min(step / scale / 2, kFarthest);
  const double near = std::sqrt(nu + t * t);
  if (32 * half <= near) return narrow_bin<7>(t, half, scale, nu, std::log(step));
  if (4 * half <= near) return narrow_bin<15>(t, half, scale, nu, std::log(step));
  return wide_bin(t - half, t + half, scale, nu);
}

double student_log_probability(double y, double scale, int nu, double step) {
  return student_bin(y, scale, nu, step).log_probability;
}

}  // namespace assay
