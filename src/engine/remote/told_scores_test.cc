#include "engine/remote/told_scores.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/remote/wanted_scores.h"

namespace assay {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

TEST(ToldScoresTest, RanksTiesInIdOrder) {
  const auto all =
      put_in_order({.position = 4, .own = {8, -2}, .top = {{9, -2}, {3, -1}, {8, -2}, {5, -2}}, .ranked = 4});
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_EQ(all->scores, (std::vector<TokenScore>{{3, -1, 1}, {5, -2, 2}, {8, -2, 3}, {9, -2, 4}}));
  EXPECT_EQ(greedy_check(*all, 8), (TokenCheck{4, 3, 1, -2}));
}

TEST(ToldScoresTest, CountsUnknownIdsInRanksAndLeavesThemOut) {
  const auto all = put_in_order({.position = 1,
                                 .own = {8, -3},
                                 .top = {{kUnknownId, -1}, {8, -3}, {kUnknownId, -2}, {4, kNothing}},
                                 .ranked = 4});
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_EQ(all->scores, (std::vector<TokenScore>{{8, -3, 3}}));
}

TEST(ToldScoresTest, KnowsNoRankBeyondTheRanked) {
  // k + 1 entries: the own token is the last, wherever it really stands.
  const auto all =
      put_in_order({.position = 1, .own = {8, -9}, .top = {{1, -1}, {8, -9}, {2, -2}}, .ranked = 2});
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_EQ(all->scores, (std::vector<TokenScore>{{1, -1, 1}, {2, -2, 2}, {8, -9, 0}}));
  EXPECT_EQ(greedy_check(*all, 8), std::nullopt);
}

TEST(ToldScoresTest, GivesWhatWasAsked) {
  const std::vector<ToldScore> others = {{30, -30}, {31, kNothing}, {2, -2}};
  const auto all = put_in_order(
      {.position = 1, .own = {8, -9}, .top = {{1, -1}, {2, -2}, {3, -3}}, .ranked = 3, .others = others});
  ASSERT_TRUE(all.ok()) << all.error().message();
  EXPECT_EQ(asked_of(*all, {1, {30, 31}, 1}, 8).scores,
            (std::vector<TokenScore>{{1, -1, 1}, {8, -9, 0}, {30, -30, 0}}));
}

TEST(ToldScoresTest, RefusesWhatCannotBe) {
  EXPECT_FALSE(put_in_order({.position = 1, .own = {8, kNothing}, .top = {}}).ok());
  EXPECT_FALSE(put_in_order({.position = 1, .own = {8, 0.5F}, .top = {}}).ok());
  EXPECT_FALSE(put_in_order({.position = 1, .own = {8, -1}, .top = {{8, -2}}, .ranked = 1}).ok());
  EXPECT_FALSE(put_in_order({.position = 1, .own = {8, -1}, .top = {{7, -2}}, .ranked = 1}).ok());
  EXPECT_FALSE(put_in_order({.position = 1, .own = {8, -1}, .top = {{7, -1}, {7, -2}}, .ranked = 2}).ok());
  EXPECT_FALSE(put_in_order({.position = 1, .own = {8, -0.5F}, .top = {{7, -0.6F}}}).ok());
  EXPECT_TRUE(put_in_order({.position = 1, .own = {8, -0.5F}, .top = {{7, -1.0F}}}).ok());
}

TEST(ToldScoresTest, RecordsTheLastPositions) {
  const auto range = [](Index begin, Index count, Index last) {
    const PositionRange r = recorded_range(begin, count, last);
    return std::pair(r.begin, r.end);
  };
  EXPECT_EQ(range(0, 10, 3), std::pair(Index{7}, Index{10}));
  EXPECT_EQ(range(0, 10, 0), std::pair(Index{1}, Index{10}));
  EXPECT_EQ(range(0, 2, 3), std::pair(Index{1}, Index{2}));
  EXPECT_EQ(range(0, 1, 3), std::pair(Index{1}, Index{1}));
  EXPECT_EQ(range(10, 2, 3), std::pair(Index{10}, Index{12}));
}

}  // namespace
}  // namespace assay
