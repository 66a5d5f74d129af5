#include "verify/intervals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "stats/test_draws.h"
#include "verify/analysis.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<std::string> kNames = {"a", "b"};

// Distances of one prompt: about 1 on the diagonal, about 5 off it.
Matrix drawn(SplitMix64& random) {
  Matrix matrix(2, std::vector<double>(2));
  for (const std::size_t i : {0, 1}) {
    for (const std::size_t j : {0, 1}) {
      matrix[i][j] = (i == j ? 1 : 5) * std::exp(0.3 * draw_normal(random) - 0.045);  // mean 1, and 5
    }
  }
  return matrix;
}

std::vector<Matrix> drawn(Index prompts, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<Matrix> all;
  for (Index i = 0; i < prompts; ++i) all.push_back(drawn(random));
  return all;
}

// At 95 %, 60 independent samples miss 9 times or more with probability 0.004.
TEST(Intervals, CoverTheTrueMeans) {
  Index missed_cell = 0;
  Index missed_signal = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const PhaseAnalysis phase = analyze_phase(kNames, kNames, drawn(12, seed), {});
    const PhaseIntervals intervals = phase_intervals(kNames, kNames, phase);
    ASSERT_TRUE(intervals.cells[0][1] && intervals.signal_all_mean);
    const auto misses = [](const Interval& interval, double truth) {
      return truth < interval.low || truth > interval.high;
    };
    missed_cell += misses(*intervals.cells[0][1], 5) ? 1 : 0;
    missed_signal += misses(*intervals.signal_all_mean, 5) ? 1 : 0;
    EXPECT_LE(intervals.snr_all->low, phase.snr_all);
    EXPECT_GE(intervals.snr_all->high, phase.snr_all);
    EXPECT_LT(intervals.cells[0][1]->high - intervals.cells[0][1]->low, 5) << "an interval that says nothing";
  }
  EXPECT_LE(missed_cell, 8);
  EXPECT_LE(missed_signal, 8);
}

TEST(Intervals, EqualDistancesLeaveAPoint) {
  const PhaseAnalysis phase =
      analyze_phase(kNames, kNames, std::vector<Matrix>(3, Matrix{{1, 5}, {7, 3}}), {});
  const PhaseIntervals intervals = phase_intervals(kNames, kNames, phase);
  EXPECT_EQ(intervals.cells[1][0]->low, 7);
  EXPECT_EQ(intervals.cells[1][0]->high, 7);
  EXPECT_EQ(intervals.snr_all->low, 3);
  ASSERT_EQ(intervals.pairs.size(), 1U);
  EXPECT_EQ(intervals.pairs[0].signal->high, 6);
  EXPECT_EQ(intervals.pairs[0].noise_floor->low, 2);
  EXPECT_EQ(intervals.pairs[0].snr->low, 3);
}

TEST(Intervals, OneReferenceHasNone) {
  EXPECT_TRUE(cell_intervals({{{1, 5}, {5, 1}}}).empty());
  const PhaseAnalysis phase = analyze_phase(kNames, kNames, {{{1, 5}, {5, 1}}}, {});
  const PhaseIntervals intervals = phase_intervals(kNames, kNames, phase);
  EXPECT_TRUE(intervals.cells.empty());
  EXPECT_FALSE(intervals.baseline_mean || intervals.snr_all);
  EXPECT_TRUE(intervals.pairs.empty());
}

TEST(Intervals, InfiniteDistancesAreOrderedLikeOthers) {
  std::vector<Matrix> matrices = drawn(4, 1);
  matrices[2][0][1] = kInfinity;
  matrices[1][0][0] = kInfinity;
  const PhaseAnalysis phase = analyze_phase(kNames, kNames, matrices, {});
  const PhaseIntervals intervals = phase_intervals(kNames, kNames, phase);
  EXPECT_EQ(intervals.cells[0][1]->high, kInfinity);
  EXPECT_LT(intervals.cells[0][1]->low, kInfinity);
  EXPECT_EQ(intervals.snr_all->low, 0);  // no noise hides more
  matrices.assign(3, Matrix(2, std::vector<double>(2, kInfinity)));
  const PhaseIntervals all = phase_intervals(kNames, kNames, analyze_phase(kNames, kNames, matrices, {}));
  EXPECT_EQ(all.cells[0][0]->low, kInfinity);
}

}  // namespace
}  // namespace assay
