#include "stats/binomial.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "stats/draw.h"

namespace assay {
namespace {

// P(X <= successes) by the sum, term by term.
double binomial_cdf(Index successes, Index trials, double rate) {
  double sum = 0;
  for (Index k = 0; k <= successes; ++k) {
    const auto n = static_cast<double>(trials);
    const auto x = static_cast<double>(k);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) + x * std::log(rate) +
                    (n - x) * std::log1p(-rate));
  }
  return sum;
}

TEST(RateUpperBound, LeavesExactlyTheStatedChanceOfSoFewSuccesses) {
  for (const Index trials : {1, 7, 60, 400}) {
    for (const Index successes : {0, 1, 3, 50}) {
      if (successes >= trials) continue;
      for (const double confidence : {0.5, 0.95, 0.999}) {
        const double bound = rate_upper_bound(successes, trials, confidence);
        EXPECT_NEAR(binomial_cdf(successes, trials, bound), 1 - confidence, 1e-10);
      }
    }
  }
}

TEST(RateUpperBound, KnowsItsEnds) {
  EXPECT_EQ(rate_upper_bound(0, 0, 0.95), 1);
  EXPECT_EQ(rate_upper_bound(5, 5, 0.95), 1);
  EXPECT_NEAR(rate_upper_bound(0, 1, 0.95), 0.95, 1e-15);
  EXPECT_THROW(rate_upper_bound(3, 2, 0.95), Fault);
  EXPECT_THROW(rate_upper_bound(-1, 2, 0.95), Fault);
  EXPECT_THROW(rate_upper_bound(1, 2, 1), Fault);
  EXPECT_THROW(rate_upper_bound(1, 2, std::numeric_limits<double>::quiet_NaN()), Fault);
}

// Published values: R's binom.test(7, 20)$conf.int and the upper end 1 - (alpha / 2)^(1 / n) of no successes.
TEST(RateInterval, AgreesWithOthers) {
  const Interval interval = rate_interval(7, 20, 0.95);
  EXPECT_NEAR(interval.low, 0.1539092, 5e-8);
  EXPECT_NEAR(interval.high, 0.5921885, 5e-8);
  EXPECT_EQ(rate_interval(0, 10, 0.95).low, 0);
  EXPECT_NEAR(rate_interval(0, 10, 0.95).high, 1 - std::pow(0.025, 0.1), 1e-14);
  EXPECT_EQ(rate_interval(10, 10, 0.95).high, 1);
  EXPECT_EQ(rate_interval(0, 0, 0.95).high, 1);
  EXPECT_EQ(rate_interval(0, 0, 0.95).low, 0);
}

TEST(TrialsToPromise, IsTheFirstNumberThatBoundsTheRate) {
  EXPECT_EQ(trials_to_promise(1e-3, 0.95), 2995);
  EXPECT_EQ(trials_to_promise(0.01, 0.95), 299);
  for (const double rate : {0.3, 0.01, 1e-3, 1e-5}) {
    for (const double confidence : {0.9, 0.95, 0.999}) {
      const Index n = trials_to_promise(rate, confidence);
      EXPECT_LE(rate_upper_bound(0, n, confidence), rate);
      EXPECT_GT(rate_upper_bound(0, n - 1, confidence), rate);
    }
  }
  EXPECT_THROW(trials_to_promise(0, 0.95), Fault);
}

TEST(EffectiveTrials, IsTheCountOfWhatIsIndependent) {
  // Clusters all of a kind: D = C / (C - 1) * 10.
  const std::array<Index, 5> all_or_nothing = {10, 0, 0, 10, 0};
  const std::array<Index, 5> tens = {10, 10, 10, 10, 10};
  EXPECT_NEAR(effective_trials(all_or_nothing, tens), 4, 1e-12);
  // Alike beyond chance: D < 1 counts as 1.
  EXPECT_EQ(effective_trials(std::array<Index, 5>{2, 2, 2, 2, 2}, tens), 50);
  // Nothing to estimate D from: the clusters, of which the empty ones do not count.
  EXPECT_EQ(effective_trials(std::array<Index, 5>{}, tens), 5);
  EXPECT_EQ(effective_trials(tens, tens), 5);
  EXPECT_EQ(effective_trials(std::array<Index, 3>{}, std::array<Index, 3>{4, 0, 4}), 2);
  EXPECT_EQ(effective_trials(std::array<Index, 1>{3}, std::array<Index, 1>{9}), 1);
  EXPECT_EQ(effective_trials({}, {}), 0);
  EXPECT_THROW(effective_trials(std::array<Index, 2>{}, tens), Fault);
}

// 40 clusters of 25 trials; a cluster is bad with chance 0.1, a trial of a bad one succeeds with chance 0.5.
// The share of samples whose bound is below the true rate 0.05, where 0.05 is promised.
TEST(ClusteredRateUpperBound, HoldsWhereIndependentTrialsWouldNot) {
  constexpr int kSamples = 4000;
  SplitMix64 random(7);
  int missed = 0;
  int missed_as_independent = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    std::vector<Index> successes(40);
    const std::vector<Index> trials(40, 25);
    Index sum = 0;
    for (Index& count : successes) {
      if (draw_unit(random) < 0.1) {
        for (int i = 0; i < 25; ++i) count += draw_unit(random) < 0.5 ? 1 : 0;
      }
      sum += count;
    }
    missed += clustered_rate_upper_bound(successes, trials, 0.95) < 0.05 ? 1 : 0;
    missed_as_independent += rate_upper_bound(sum, 1000, 0.95) < 0.05 ? 1 : 0;
  }
  EXPECT_LE(rate_interval(missed, kSamples, 0.998).low, 0.05);
  EXPECT_GE(rate_interval(missed_as_independent, kSamples, 0.998).low, 0.15);
}

TEST(ClusteredRateUpperBound, KnowsItsEnds) {
  const std::array<Index, 3> fours = {4, 4, 4};
  EXPECT_NEAR(clustered_rate_upper_bound(std::array<Index, 3>{}, fours, 0.95), 1 - std::pow(0.05, 1.0 / 3),
              1e-14);
  EXPECT_EQ(clustered_rate_upper_bound(fours, fours, 0.95), 1);
  EXPECT_EQ(clustered_rate_upper_bound({}, {}, 0.95), 1);
  const std::array<Index, 3> even = {2, 2, 2};
  EXPECT_GT(clustered_rate_upper_bound(even, fours, 0.95), rate_upper_bound(6, 12, 0.95));
}

}  // namespace
}  // namespace assay
