#include "number/transcendental.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace assay {
namespace {

// Error of `value` against a correctly known `exact`, in units of the last place of `exact` as an FP32
// number.
double error_in_ulps(float value, double exact) {
  if (std::fabs(exact) > std::numeric_limits<float>::max()) return std::isinf(value) ? 0.0 : 1e9;
  const int exponent = std::max(exact == 0 ? -149 : std::ilogb(exact) - 23, -149);
  return std::fabs(static_cast<double>(value) - exact) / std::ldexp(1.0, exponent);
}

// ASSAY_SWEEP=1 visits all 2^32 floats (about two minutes a function); otherwise every 4099th.
std::uint64_t stride() { return std::getenv("ASSAY_SWEEP") != nullptr ? 1 : 4099; }

TEST(Transcendental, ExpIsWithinOneUlpEverywhere) {
  double worst = 0;
  for (std::uint64_t bits = 0; bits < (1ULL << 32); bits += stride()) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    const float y = portable_exp(x);
    if (std::isnan(x)) {
      ASSERT_TRUE(std::isnan(y));
      continue;
    }
    const double error = error_in_ulps(y, std::exp(static_cast<double>(x)));
    ASSERT_LT(error, 1.0) << x;
    worst = std::max(worst, error);
  }
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_GT(worst, 0.4) << "a test that sees no rounding error looks at nothing";
  EXPECT_EQ(portable_exp(-INFINITY), 0.0F);
  EXPECT_EQ(portable_exp(0.0F), 1.0F);
}

TEST(Transcendental, LogIsWithinOneUlpEverywhere) {
  double worst = 0;
  for (std::uint64_t bits = 1; bits < 0x7f800000ULL; bits += stride()) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    const double error = error_in_ulps(portable_log(x), std::log(static_cast<double>(x)));
    ASSERT_LT(error, 1.0) << x;
    worst = std::max(worst, error);
  }
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_GT(worst, 0.4);
  EXPECT_EQ(portable_log(0.0F), -INFINITY);
  EXPECT_EQ(portable_log(1.0F), 0.0F);
  EXPECT_EQ(portable_log(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(portable_log(-1.0F)));
  EXPECT_TRUE(std::isnan(portable_log(NAN)));
}

TEST(Transcendental, RotaryFrequenciesAndAnglesMeetTheirBounds) {
  for (double theta : {1e4, 5e5, 1e6}) {
    for (int i = 0; i < 64; ++i) {
      const double exact = std::pow(theta, -i / 64.0);
      EXPECT_LT(std::fabs(portable_inverse_power(theta, i / 64.0) - exact) / exact, 0x1p-45);
    }
  }
  for (double angle = -4.1e6; angle < 4.1e6; angle += 17.123457) {
    const SinCos both = portable_sincos(angle);
    ASSERT_LT(std::fabs(both.sin - std::sin(angle)), 0x1p-40) << angle;
    ASSERT_LT(std::fabs(both.cos - std::cos(angle)), 0x1p-40) << angle;
  }
}

}  // namespace
}  // namespace assay
