#include "stats/kolmogorov_smirnov.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"

namespace assay {
namespace {

std::vector<double> sorted(std::span<const double> values) {
  require(!values.empty(), "a sample is empty");
  for (const double value : values) require(!std::isnan(value), "a value of a sample is NaN");
  std::vector<double> copy(values.begin(), values.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

}  // namespace

double kolmogorov_tail(double x) {
  require(x >= 0, "a Kolmogorov statistic is negative or NaN");
  if (x < 0.2) return 1;  // 1 - Q(0.2) < 1e-12
  double sum = 0;
  if (x < 1) {  // the theta function's other form; its terms fall as fast here as those below do there
    for (int k = 1; k <= 5; ++k) {
      const double odd = (2 * k - 1) * std::numbers::pi / x;
      sum += std::exp(-odd * odd / 8);
    }
    return 1 - std::sqrt(2 * std::numbers::pi) / x * sum;
  }
  for (int k = 5; k >= 1; --k) sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
  return sum;
}

KolmogorovSmirnov kolmogorov_smirnov(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> first = sorted(a);
  const std::vector<double> second = sorted(b);
  const auto n = static_cast<double>(first.size());
  const auto m = static_cast<double>(second.size());
  double largest = 0;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < first.size() && j < second.size()) {
    const double value = std::min(first[i], second[j]);
    while (i < first.size() && first[i] == value) ++i;
    while (j < second.size() && second[j] == value) ++j;
    largest = std::max(largest, std::fabs(static_cast<double>(i) / n - static_cast<double>(j) / m));
  }
  return {largest, kolmogorov_tail(std::sqrt(n * m / (n + m)) * largest)};
}

}  // namespace assay
