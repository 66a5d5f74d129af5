#include "stats/kolmogorov_smirnov.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "stats/binomial.h"
#include "stats/draw.h"

namespace assay {
namespace {

// Smirnov's table (1948), and both series where they meet.
TEST(KolmogorovTail, AgreesWithTheTable) {
  EXPECT_NEAR(kolmogorov_tail(0.5), 0.963945, 6e-7);
  EXPECT_NEAR(kolmogorov_tail(1.0), 0.270000, 6e-7);
  EXPECT_NEAR(kolmogorov_tail(1.36), 0.049486, 6e-7);
  EXPECT_NEAR(kolmogorov_tail(2.0), 0.000671, 6e-7);
  EXPECT_NEAR(kolmogorov_tail(std::nextafter(1.0, 0.0)), kolmogorov_tail(1.0), 1e-14);
  EXPECT_NEAR(kolmogorov_tail(0.2), 1, 1e-11);
  EXPECT_EQ(kolmogorov_tail(0), 1);
  EXPECT_EQ(kolmogorov_tail(40), 0);
  EXPECT_THROW(kolmogorov_tail(std::nan("")), Fault);
}

TEST(KolmogorovSmirnovTest, FindsTheLargestDifference) {
  const std::array<double, 4> a = {1, 2, 3, 4};
  const std::array<double, 5> b = {3, 3, 5, 6, 7};
  EXPECT_DOUBLE_EQ(kolmogorov_smirnov(a, b).statistic, 0.6);  // at 4: 1 and 2/5
  EXPECT_DOUBLE_EQ(kolmogorov_smirnov(b, a).statistic, 0.6);
  EXPECT_EQ(kolmogorov_smirnov(a, a).statistic, 0);
  EXPECT_EQ(kolmogorov_smirnov(a, a).p_value, 1);
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(kolmogorov_smirnov(a, std::array{infinity, infinity}).statistic, 1);
  EXPECT_THROW((void)kolmogorov_smirnov(a, {}), Fault);
  EXPECT_THROW((void)kolmogorov_smirnov(a, std::array{std::nan("")}), Fault);
}

TEST(KolmogorovSmirnovTest, RejectsEqualSamplesAsOftenAsItSays) {
  constexpr int kSamples = 3000;
  SplitMix64 random(5);
  int rejected = 0;
  int found = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<double> a(200);
    std::vector<double> b(300);
    for (double& x : a) x = draw_unit(random);
    for (double& x : b) x = draw_unit(random);
    rejected += kolmogorov_smirnov(a, b).p_value <= 0.05 ? 1 : 0;
    for (double& x : b) x += 0.2;
    found += kolmogorov_smirnov(a, b).p_value <= 0.05 ? 1 : 0;
  }
  const Interval share = rate_interval(rejected, kSamples, 0.998);
  EXPECT_LE(share.low, 0.05);
  EXPECT_GE(share.high, 0.03);  // the asymptotic test of these sizes is a little shy
  EXPECT_GE(found, kSamples * 0.95);
}

}  // namespace
}  // namespace assay
