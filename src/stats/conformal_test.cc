#include "stats/conformal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(ConformalBag, CountsTiesAgainstStrangeness) {
  ConformalBag bag({3, 1, 2, 2});
  EXPECT_EQ(bag.p_value(4), 1.0 / 5);
  EXPECT_EQ(bag.p_value(3), 2.0 / 5);
  EXPECT_EQ(bag.p_value(2), 4.0 / 5);
  EXPECT_EQ(bag.p_value(0), 1);
  bag.add(4);
  EXPECT_EQ(bag.size(), 5);
  EXPECT_EQ(bag.p_value(4), 2.0 / 6);
}

TEST(ConformalBag, OrdersInfinitiesAndRefusesNan) {
  ConformalBag bag({1, kInf, -kInf});
  EXPECT_EQ(bag.p_value(kInf), 2.0 / 4);
  EXPECT_EQ(bag.p_value(-kInf), 1);
  EXPECT_THROW((void)bag.p_value(std::nan("")), Fault);
  EXPECT_THROW(bag.add(std::nan("")), Fault);
  EXPECT_THROW(ConformalBag({1, std::nan("")}), Fault);
  EXPECT_EQ(ConformalBag({}).p_value(7), 1);
}

// All orders of five different scores, two of them for calibration: the p-values of the other three are
// independent and uniform on {1/3 .. 1}, {1/4 .. 1}, {1/5 .. 1}, so each of the 60 triples occurs twice.
TEST(ConformalBag, PValuesOfSuccessiveScoresAreIndependent) {
  std::array<double, 5> scores = {1, 2, 3, 4, 5};
  std::array<int, 60> counts = {};
  do {
    ConformalBag bag({scores[0], scores[1]});
    std::size_t triple = 0;
    for (std::size_t i = 2; i < 5; ++i) {
      const auto rank =
          static_cast<std::size_t>(std::lround(bag.p_value(scores[i]) * static_cast<double>(i + 1)));
      triple = triple * (i + 1) + rank - 1;
      bag.add(scores[i]);
    }
    ++counts.at(triple);
  } while (std::next_permutation(scores.begin(), scores.end()));
  for (const int count : counts) EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace assay
