#include "stats/maximize.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "base/error.h"

namespace assay {
namespace {

// The gain still promised at the end is below 1e-9, so the point is within sqrt(2e-9 / curvature).
TEST(Maximize, FindsTheTopOfAQuadraticOfAnyUnits) {
  const auto hill = [](std::span<const double> at, std::span<double> gradient) {
    const double u = (at[0] - 3e6) / 1e6;
    const double v = at[1] * 1e5 + 2;
    gradient[0] = (-u + 0.8 * v) / 1e6;
    gradient[1] = (-v + 0.8 * u) * 1e5;
    return 7 - (u * u + v * v) / 2 + 0.8 * u * v;
  };
  const Maximum top = maximize(hill, {0, 0}, std::array{1e12, 1e-10});
  EXPECT_NEAR(top.value, 7, 1e-8);
  EXPECT_NEAR(top.at[0], 3e6, 1e6 * std::sqrt(2e-8));
  EXPECT_NEAR(top.at[1], -2e-5, 1e-5 * std::sqrt(2e-8));
}

TEST(Maximize, FollowsACurvedRidge) {  // Rosenbrock's valley, upside down
  const auto ridge = [](std::span<const double> at, std::span<double> gradient) {
    const double off = at[1] - at[0] * at[0];
    gradient[0] = 2 * (1 - at[0]) + 400 * off * at[0];
    gradient[1] = -200 * off;
    return -(1 - at[0]) * (1 - at[0]) - 100 * off * off;
  };
  const Maximum top = maximize(ridge, {-1.2, 1}, std::array{1.0, 1.0});
  EXPECT_NEAR(top.at[0], 1, 1e-3);
  EXPECT_NEAR(top.at[1], 1, 2e-3);
}

TEST(Maximize, BacksOffFromWhatIsNotANumber) {
  const auto log_hill = [](std::span<const double> at, std::span<double> gradient) {
    gradient[0] = 1 / at[0] - 1;
    return std::log(at[0]) - at[0];  // NaN left of 0
  };
  EXPECT_NEAR(maximize(log_hill, {5}, std::array{100.0}).at[0], 1, 1e-4);
  EXPECT_THROW(maximize(log_hill, {-1}, std::array{1.0}), Fault);
  EXPECT_THROW(maximize(log_hill, {1, 2}, std::array{1.0}), Fault);
}

}  // namespace
}  // namespace assay
