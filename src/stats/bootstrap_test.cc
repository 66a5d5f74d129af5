#include "stats/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "stats/draw.h"

namespace assay {
namespace {

double mean_of(std::span<const double> values, std::span<const Index> drawn) {
  double sum = 0;
  for (const Index i : drawn) sum += values[static_cast<std::size_t>(i)];
  return sum / static_cast<double>(drawn.size());
}

TEST(BootstrapInterval, NeedsTwoClusters) {
  const auto one = [](std::span<const Index>) { return 1.0; };
  EXPECT_FALSE(bootstrap_interval(0, one));
  EXPECT_FALSE(bootstrap_interval(1, one));
  const auto interval = bootstrap_interval(2, one);
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low, 1);
  EXPECT_EQ(interval->high, 1);
}

TEST(BootstrapInterval, DrawsEveryClusterEquallyOften) {
  std::vector<Index> counts(7);
  const auto count = [&](std::span<const Index> drawn) {
    EXPECT_EQ(drawn.size(), 7U);
    for (const Index i : drawn) ++counts[static_cast<std::size_t>(i)];
    return 0.0;
  };
  ASSERT_TRUE(bootstrap_interval(7, count, {.resamples = 10'000}));
  // Binomial(70,000, 1/7): standard deviation 93; five of them.
  for (const Index n : counts) EXPECT_NEAR(static_cast<double>(n), 10'000, 463);
}

TEST(BootstrapInterval, IsAFunctionOfTheSeed) {
  const std::vector<double> values = {0.5, 1, 2, 4, 8, 16, 32};
  const auto mean = [&](std::span<const Index> drawn) { return mean_of(values, drawn); };
  const auto first = bootstrap_interval(7, mean, {.seed = 3});
  const auto again = bootstrap_interval(7, mean, {.seed = 3});
  const auto other = bootstrap_interval(7, mean, {.seed = 4});
  EXPECT_EQ(first->low, again->low);
  EXPECT_EQ(first->high, again->high);
  EXPECT_TRUE(first->low != other->low || first->high != other->high);
}

TEST(BootstrapInterval, SortsInfinitiesAndRefusesNan) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {1, 2, infinity};
  const auto mean = [&](std::span<const Index> drawn) { return mean_of(values, drawn); };
  EXPECT_EQ(bootstrap_interval(3, mean)->low, 1);
  EXPECT_EQ(bootstrap_interval(3, mean)->high, infinity);
  const auto nan = [](std::span<const Index>) { return std::nan(""); };
  EXPECT_THROW((void)bootstrap_interval(3, nan), Fault);
}

// The mean of ten uniform numbers. Without Hesterberg's expansion the coverage is about 0.90.
TEST(BootstrapInterval, CoversTheMeanOfFewClusters) {
  constexpr int kSamples = 1500;
  SplitMix64 random(11);
  int covered = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<double> values(10);
    for (double& value : values) value = draw_unit(random);
    const auto mean = [&](std::span<const Index> drawn) { return mean_of(values, drawn); };
    const auto interval =
        bootstrap_interval(10, mean, {.resamples = 1000, .seed = static_cast<std::uint64_t>(sample)});
    covered += interval->low <= 0.5 && 0.5 <= interval->high ? 1 : 0;
  }
  const Interval coverage = rate_interval(covered, kSamples, 0.998);
  EXPECT_GE(coverage.high, 0.95);
  EXPECT_GE(coverage.low, 0.92);
  EXPECT_LE(coverage.low, 0.95);
}

}  // namespace
}  // namespace assay
