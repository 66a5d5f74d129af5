#include "stats/e_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(LogSumExp, HandlesTheEndsOfTheLine) {
  EXPECT_DOUBLE_EQ(log_sum_exp(std::array{1000.0, 1000.0}), 1000 + std::log(2.0));
  EXPECT_DOUBLE_EQ(log_mean_exp(std::array{-1000.0, -1000.0, -kInf, -kInf}), -1000 - std::log(2.0));
  EXPECT_EQ(log_sum_exp(std::array{-kInf, -kInf}), -kInf);
  EXPECT_EQ(log_mean_exp(std::array{-kInf, kInf, 0.0}), kInf);
  EXPECT_EQ(log_sum_exp({}), -kInf);
  EXPECT_THROW(log_mean_exp({}), Fault);
  EXPECT_THROW(log_sum_exp(std::array{kInf, std::nan("")}), Fault);
}

// Every sum has at most 8 + N terms, each rounded a few times: 1e-13 is far above the error for N <= 700.
TEST(ConformalBet, IsFairOverTheRanksAndNeverRises) {
  for (const double share : {0.0, 0.05, 0.25, 0.8, 1.0}) {
    for (Index bag_size = 0; bag_size < 700; ++bag_size) {
      const auto n = static_cast<double>(bag_size + 1);
      double sum = 0;
      double last = kInf;
      for (Index rank = 1; rank <= bag_size + 1; ++rank) {
        const double bet = conformal_bet(static_cast<double>(rank) / n, bag_size, share);
        EXPECT_LE(bet, last);
        sum += bet;
        last = bet;
      }
      EXPECT_NEAR(sum / n, 1, 1e-13) << bag_size;
    }
  }
}

TEST(ConformalBet, PaysByRank) {
  EXPECT_DOUBLE_EQ(conformal_bet(1.0 / 100, 99, 1),
                   (100 + 50 + 100 / 3.0 + 25 + 20 + 100 / 6.0 + 100 / 7.0 + 12.5) / 8);
  EXPECT_DOUBLE_EQ(conformal_bet(8.0 / 100, 99, 0.8), 0.2 + 0.8 * 12.5 / 8);
  EXPECT_DOUBLE_EQ(conformal_bet(9.0 / 100, 99, 0.8), 1 - 0.8);
  EXPECT_EQ(conformal_bet(1, 0, 0.8), 1);
  EXPECT_THROW(conformal_bet(0, 9, 0.8), Fault);
  EXPECT_THROW(conformal_bet(1.5, 9, 0.8), Fault);
  EXPECT_THROW(conformal_bet(std::nan(""), 9, 0.8), Fault);
}

TEST(ConformalEProcess, IsTheAverageOfTheProducts) {
  std::vector<double> calibration(99);
  for (std::size_t i = 0; i < calibration.size(); ++i) calibration[i] = static_cast<double>(i);
  ConformalEProcess process(calibration);
  EXPECT_EQ(process.log_e(), 0);
  double sum = 0;
  for (const double share : ConformalEProcess::kShares) {
    sum += conformal_bet(0.01, 99, share) * conformal_bet(2.0 / 101, 100, share);
  }
  process.finish(1000);
  process.finish(500);
  EXPECT_EQ(process.bag_size(), 101);
  EXPECT_NEAR(process.log_e(), std::log(sum / 3), 1e-14);
}

TEST(ConformalEProcess, ShowsWhatThePromptWouldGiveAndGrowsWithTheScore) {
  ConformalEProcess process({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, kInf});
  double last = -kInf;
  for (const double score : {-kInf, 0.0, 5.5, 9.0, 10.0, 11.0, kInf}) {
    const double e = process.log_e_value(score);
    EXPECT_GE(e, last);
    last = e;
  }
  const double shown = process.log_e_value(9.5);
  process.finish(9.5);
  EXPECT_EQ(process.log_e(), shown);
  EXPECT_THROW((void)process.log_e_value(std::nan("")), Fault);
  EXPECT_THROW(process.finish(std::nan("")), Fault);
}

TEST(BoundedMean, MultipliesCapital) {
  BoundedMeanEProcess process(1, 5);  // lambdas 1/4, 1/8 .. 1/512
  process.add(0);
  process.add(3);
  double sum = 0;
  double first = 0;
  for (int i = 0; i < 8; ++i) {
    const double lambda = std::ldexp(0.25, -i);
    first += (1 + lambda) / 8;
    sum += (1 + lambda) * (1 - 2 * lambda) / 8;
  }
  EXPECT_NEAR(process.log_e(), std::log(sum), 1e-14);
  EXPECT_NEAR(process.log_max(), std::log(first), 1e-14);
}

TEST(BoundedMean, SurvivesTheCapAndRefusesNonsense) {
  BoundedMeanEProcess process(0.1, 0.7);
  process.add(kInf);  // ruins the largest lambda only
  EXPECT_TRUE(std::isfinite(process.log_e()));
  EXPECT_LT(process.log_e(), 0);
  EXPECT_EQ(process.log_max(), 0);
  for (int i = 0; i < 3000; ++i) process.add(0);
  EXPECT_GT(process.log_e(), 100);
  EXPECT_EQ(process.log_max(), process.log_e());
  EXPECT_THROW(process.add(-1), Fault);
  EXPECT_THROW(process.add(std::nan("")), Fault);
  EXPECT_THROW(BoundedMeanEProcess(1, 1), Fault);
  EXPECT_THROW(BoundedMeanEProcess(0, 1), Fault);
  EXPECT_THROW(BoundedMeanEProcess(1, kInf), Fault);
  EXPECT_THROW(BoundedMeanEProcess(std::nan(""), 1), Fault);
}

}  // namespace
}  // namespace assay
