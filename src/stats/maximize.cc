#include "stats/maximize.h"

#include <cmath>
#include <numeric>

#include "base/error.h"

namespace assay {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// The estimate of the inverse of the negated second derivatives: symmetric, positive definite.
class InverseCurvature {
 public:
  explicit InverseCurvature(std::span<const double> variances) {
    for (std::size_t i = 0; i < variances.size(); ++i) {
      require(variances[i] > 0, "a starting variance is not positive");
      rows_.emplace_back(variances.size());
      rows_[i][i] = variances[i];
    }
  }

  Vector times(const Vector& v) const {
    Vector out;
    for (const Vector& row : rows_) out.push_back(dot(row, v));
    return out;
  }

  // Learns from a step and the fall of the gradient along it, `expected` times the step before; not where the
  // function is not concave.
  void update(const Vector& step, const Vector& fall, double expected) {
    const double curvature = dot(step, fall);
    const Vector image = times(fall);
    const double spread = dot(fall, image);
    if (!(curvature > 1e-8 * expected) || !std::isfinite(spread)) return;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      for (std::size_t j = 0; j < rows_.size(); ++j) {
        rows_[i][j] += (1 + spread / curvature) * step[i] * step[j] / curvature -
                       (image[i] * step[j] + step[i] * image[j]) / curvature;
      }
    }
  }

 private:
  std::vector<Vector> rows_;
};

}  // namespace

Maximum maximize(const SmoothFunction& function, std::vector<double> start,
                 std::span<const double> start_variances) {
  require(start.size() == start_variances.size(), "one variance a variable");
  constexpr double kEnough = 1e-9;
  InverseCurvature inverse(start_variances);
  Vector gradient(start.size());
  Maximum best{std::move(start), 0};
  best.value = function(best.at, gradient);
  require(std::isfinite(best.value), "no finite value at the start");
  for (int iteration = 0; iteration < 200; ++iteration) {
    Vector direction = inverse.times(gradient);
    const double slope = dot(direction, gradient);
    if (!(slope / 2 > kEnough)) break;
    Vector next = best.at;
    Vector next_gradient(gradient.size());
    double value = 0;
    double length = 1;
    const auto gains = [&] {
      for (std::size_t i = 0; i < next.size(); ++i) next[i] = best.at[i] + length * direction[i];
      value = function(next, next_gradient);
      return value - best.value > 1e-4 * length * slope;
    };
    while (!gains()) {
      length /= 2;
      if (length < 0x1p-40) return best;
    }
    Vector step(next.size());
    Vector fall(next.size());
    for (std::size_t i = 0; i < step.size(); ++i) {
      step[i] = next[i] - best.at[i];
      fall[i] = gradient[i] - next_gradient[i];
    }
    inverse.update(step, fall, length * length * slope);
    best = {std::move(next), value};
    gradient = std::move(next_gradient);
  }
  return best;
}

}  // namespace assay
