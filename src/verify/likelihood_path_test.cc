#include "verify/likelihood_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "verify/test_noise.h"

namespace assay {
namespace {

using testing::ElementsAre;

constexpr Index kPositions = 12;
const NoiseModel kOwn = planted_noise(0.02, 0.05);
const NoiseModel kRival = planted_noise(0.03, 0.04);

void expect_never_above(const std::vector<double>& low, const std::vector<double>& high) {
  ASSERT_EQ(low.size(), high.size());
  for (std::size_t i = 0; i < low.size(); ++i) EXPECT_LE(low[i], high[i] + 1e-12) << i;
}

TEST(ScorePath, IsTheRunningMaximumOfWhatWasSeenSoFar) {
  bool fell = false;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto own = draw_positions(kOwn, kPositions, seed, seed % 3 == 0 ? 2 : 1);
    const auto rival = draw_positions(kRival, kPositions, seed + 1000, 3);
    const Explanation rivals[] = {{rival, &kRival}};
    const auto path = score_path({own, &kOwn}, rivals, 4);
    ASSERT_EQ(path.size(), own.size());
    EXPECT_GE(path.front(), 0);
    EXPECT_TRUE(std::is_sorted(path.begin(), path.end()));
    fell |= path.back() == 0;
    // Later positions do not change earlier values.
    const auto first = score_path({std::span(own).first(5), &kOwn}, rivals, 4);
    EXPECT_TRUE(std::equal(first.begin(), first.end(), path.begin()));
  }
  EXPECT_TRUE(fell) << "no honest path stayed at its start";
}

TEST(ScorePath, LeavingARivalOutNeverRaisesIt) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const auto own = draw_positions(kOwn, kPositions, seed, 4);  // far from own: the path moves
    const auto near = draw_positions(kRival, kPositions, seed + 1000);
    const auto far = draw_positions(kRival, kPositions, seed + 2000, 5);
    const std::vector<Explanation> both = {{near, &kRival}, {far, &kRival}};
    const auto whole = score_path({own, &kOwn}, both, 4);
    EXPECT_GT(whole.back(), 0);
    expect_never_above(score_path({own, &kOwn}, std::span(both).first(1), 4), whole);
    expect_never_above(score_path({own, &kOwn}, std::span(both).last(1), 4), whole);
    expect_never_above(score_path({own, &kOwn}, {}, 4), whole);
  }
}

TEST(ScorePath, GrowsWhereARivalExplainsMoreAndWhereNobodyDoes) {
  double honest = 0;
  double rivals_own = 0;
  double nobodys = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto near = draw_positions(kOwn, kPositions, seed);
    const auto far = draw_positions(kOwn, kPositions, seed + 1000, 10);
    const Explanation as_far[] = {{far, &kOwn}};
    const Explanation as_near[] = {{near, &kOwn}};
    honest += score_path({near, &kOwn}, as_far, 3).back() / 40;
    rivals_own += score_path({far, &kOwn}, as_near, 3).back() / 40;
    nobodys += score_path({far, &kOwn}, as_far, 3).back() / 40;
  }
  EXPECT_LT(honest, 0.1);
  EXPECT_GT(nobodys, 10);  // the nameless rival with larger noise
  EXPECT_GT(rivals_own, 1.5 * nobodys);
}

TEST(ScorePath, APositionThatARivalLacksCountsAsForTheOwn) {
  const auto own = draw_positions(kOwn, kPositions, 1, 4);
  const Explanation nothing[] = {{{}, &kRival}};
  const Explanation itself[] = {{own, &kOwn}};
  EXPECT_EQ(score_path({own, &kOwn}, nothing, 3), score_path({own, &kOwn}, itself, 3));
  auto gap = draw_positions(kOwn, kPositions, 2);
  auto filled = gap;
  gap.erase(gap.begin() + 3);
  filled[3] = own[3];
  const Explanation with_gap[] = {{gap, &kOwn}};
  const Explanation with_own[] = {{filled, &kOwn}};
  EXPECT_EQ(score_path({own, &kOwn}, with_gap, 3), score_path({own, &kOwn}, with_own, 3));
}

// What rounding hides may be anything: the path of a rounded record never exceeds that of the true numbers
// against nameless rivals.
TEST(RoundedScorePath, NeverExceedsThePathOfTheUnroundedRecord) {
  for (const double rounding : {0.001, 0.01, 0.1}) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      const auto truth = draw_positions(kOwn, kPositions, seed, seed % 2 == 0 ? 1 : 20);
      auto rounded = truth;
      SplitMix64 random(seed + 5000);
      for (PositionDifferences& position : rounded) {
        for (Difference& difference : position.values) {
          difference.value += rounding * (2 * draw_unit(random) - 1);  // two numbers, each off by half of it
          difference.step = 0x1p-3;
        }
      }
      expect_never_above(rounded_score_path({rounded, &kOwn}, 3, rounding),
                         score_path({truth, &kOwn}, {}, 3));
    }
  }
}

// The planted fault: without the allowance, rounding itself looks like a lie.
TEST(RoundedScorePath, WithoutTheAllowanceRoundingWouldSpeakAgainstHonestRecords) {
  const NoiseModel quiet = planted_noise(0.001, 0.001);
  auto rounded = draw_positions(quiet, kPositions, 1);
  SplitMix64 random(2);
  for (PositionDifferences& position : rounded) {
    for (Difference& difference : position.values) difference.value += 0.02 * (draw_unit(random) - 0.5);
  }
  EXPECT_GT(rounded_score_path({rounded, &quiet}, 3, 0).back(), 10);
  EXPECT_EQ(rounded_score_path({rounded, &quiet}, 3, 0.01).back(), 0);
}

TEST(TokenScorePath, AddsMarginsUpToOneEach) {
  const TokenCheck checks[] = {{5, 1, 0, -1}, {6, 2, 0.25F, -1}, {7, 9, 12.5F, -1}, {8, 1, 0, -1}};
  EXPECT_THAT(token_score_path(checks), ElementsAre(0, 0.25, 1.25, 1.25));
  EXPECT_TRUE(token_score_path({}).empty());
}

}  // namespace
}  // namespace assay
