#include "verify/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "stats/binomial.h"
#include "verify/claim_process.h"
#include "verify/test_world.h"

namespace assay {
namespace {

using testing::HasSubstr;

const CalibrationCell& cell(const Calibration& calibration, const std::string& setup,
                            const std::string& device) {
  return *find_cell(calibration, {setup, device}, "h100");
}

const TruthScores& test_of(const CalibrationCell& cell, const Hypothesis& truth) {
  return *std::find_if(cell.test.begin(), cell.test.end(),
                       [&](const auto& test) { return test.truth == truth; });
}

TEST(Calibrate, HasACellOfEachSetupOnEachDevice) {
  const Calibration& calibration = world_calibration();
  EXPECT_EQ(calibration.cells.size(), 6U);
  EXPECT_EQ(calibration.fit_prompts, 20);
  EXPECT_EQ(calibration.calibration_prompts, 60);
  EXPECT_EQ(calibration.test_prompts, 40);
  EXPECT_EQ(calibration.prefill_positions, kWorldPrompt - 1);
  EXPECT_EQ(calibration.decode_positions, kWorldGenerated);
  EXPECT_EQ(calibration.tokens, kWorldGenerated);
  for (const CalibrationCell& c : calibration.cells) {
    EXPECT_EQ(c.verifier_device, "h100");
    EXPECT_EQ(c.logprob_scores.size(), 60U);
    EXPECT_TRUE(std::is_sorted(c.logprob_scores.begin(), c.logprob_scores.end()));
    ASSERT_EQ(c.test.size(), 6U);
    for (const TruthScores& test : c.test) EXPECT_EQ(test.prompts.size(), 40U);
  }
  EXPECT_EQ(find_cell(calibration, {"s0", "a100"}, "a100"), nullptr);
}

TEST(Calibrate, DoesNotDependOnThreadsOrTheOrderOfRuns) {
  std::vector<HonestRun> runs = honest_runs(World{}, 12);
  const auto made = [&](int threads) {
    ThreadPool pool(threads);
    return *calibrate(world_frame(), runs, {.fit = 4, .calibration = 4, .prompts_a_claim = 2}, pool, "w");
  };
  const Calibration one = made(1);
  std::reverse(runs.begin(), runs.end());
  const Calibration two = made(2);
  ASSERT_EQ(one.cells.size(), two.cells.size());
  for (std::size_t i = 0; i < one.cells.size(); ++i) {
    EXPECT_EQ(one.cells[i].hypothesis, two.cells[i].hypothesis);
    EXPECT_EQ(one.cells[i].noise.ratio.coefficients, two.cells[i].noise.ratio.coefficients);
    EXPECT_EQ(one.cells[i].logprob_scores, two.cells[i].logprob_scores);
    EXPECT_EQ(one.cells[i].test, two.cells[i].test);
  }
  EXPECT_EQ(one.coincidence, two.coincidence);
  EXPECT_EQ(one.false_positives, two.false_positives);
}

TEST(Calibrate, FarSetupsAreRefutedAndNearOnesAreNot) {
  const Calibration& calibration = world_calibration();
  const CalibrationCell& s0 = cell(calibration, "s0", "a100");
  const auto refuted = [&](const Hypothesis& truth) {
    const auto& prompts = test_of(s0, truth).prompts;
    Index count = 0;
    for (std::size_t first = 0; first < prompts.size(); first += 4) {
      count += prompts_to_refute(s0, std::span(prompts).subspan(first, 4), 1e-3) > 0 ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(refuted({"s0", "a100"}), 0);
  EXPECT_LE(refuted({"s1", "a100"}), 2);
  EXPECT_EQ(refuted({"s2", "a100"}), 10);
  for (const FalsePositives& rate : calibration.false_positives) {
    EXPECT_EQ(rate.claims, 30);
    EXPECT_EQ(rate.independent, 10);  // three setups share their prompts
    EXPECT_EQ(rate.refuted, 0) << rate.claimed_device;
    EXPECT_NEAR(rate.upper_bound, 0.26, 0.01);  // 1 - 0.05^(1/10)
  }
}

// The planted fault: the prompts whose scores are kept were quieter than those that come later, as if they had
// been taken from what the noise was fitted to.
TEST(Calibrate, ALeakIsCaughtByTheTableOfFalseAlarms) {
  World loud;
  loud.noise = 0.2;
  loud.kernel = 0;
  World quiet = loud;
  quiet.noise = 0.02;
  std::vector<HonestRun> runs = honest_runs(quiet, 80);
  for (HonestRun& run : honest_runs(loud, 120)) {
    if (run.prompt >= 80) runs.push_back(std::move(run));
  }
  ThreadPool pool(1);
  const Calibration leaky =
      *calibrate(world_frame(), runs, {.fit = 20, .calibration = 60, .prompts_a_claim = 4}, pool, "w");
  const FalsePositives& across = leaky.false_positives[0];
  EXPECT_EQ(across.claimed_device, "a100");
  EXPECT_GT(across.refuted, across.claims / 2);
  EXPECT_GT(rate_interval(across.refuted > 0 ? 1 : 0, across.independent, 0.95).low, leaky.alpha);
  EXPECT_GT(across.upper_bound, 0.5);
}

TEST(Calibrate, RefusesASplitThatLeavesNothingAndNamesAMissingRun) {
  const std::vector<HonestRun> runs = honest_runs(World{}, 4);
  ThreadPool pool(1);
  const auto refusal = [&](const CalibrationSplit& split) {
    const auto made = calibrate(world_frame(), runs, split, pool, "runs");
    return made ? "accepted" : made.error().message();
  };
  EXPECT_EQ(refusal({.fit = 2, .calibration = 2}),
            "runs: prompts: expected at least one prompt to fit, to calibrate and to test, found 2, 2 and 0");
  EXPECT_THAT(refusal({.fit = 0, .calibration = 2}), HasSubstr("found 0, 2 and 2"));
  EXPECT_THAT(refusal({.fit = 2, .calibration = 0}), HasSubstr("found 2, 0 and 2"));
  EXPECT_EQ(refusal({.fit = 1, .calibration = 1, .prompts_a_claim = 1}), "accepted");
  const auto missing = std::span(runs).first(runs.size() - 1);
  EXPECT_EQ(calibrate(world_frame(), missing, {.fit = 1, .calibration = 1}, pool, "runs").error().message(),
            "runs: prompt 3: expected s2 on h100, re-executed by s2 on h100, found no such run");
}

// --- Coincidence. ---

std::vector<PositionDifferences> with_bits(const std::string& bits, bool decode = false) {
  std::vector<PositionDifferences> all;
  for (const char bit : bits) {
    all.push_back({.position = static_cast<Index>(all.size()) + 1,
                   .decode = decode,
                   .bit_equal = bit == '1',
                   .values = {}});
  }
  return all;
}

TEST(CoincidenceCounter, CountsRunsWithinAPhaseOfAPrompt) {
  CoincidenceCounter counter(3);
  counter.add(0, with_bits("0110"));
  counter.add(0, with_bits("0001"));  // another pair of the same prompt: no run goes on from the last
  counter.add(1, with_bits("1"));
  auto both = with_bits("01");
  for (PositionDifferences& position : with_bits("11", true)) both.push_back(position);
  counter.add(2, both);
  const Coincidence chance = counter.unclustered();
  EXPECT_EQ(chance.positions, 4 + 4 + 1 + 4);
  EXPECT_EQ(chance.equal, 2 + 1 + 1 + 3);
  EXPECT_EQ(chance.after_equal, 2 + 0 + 0 + 1);  // decode does not follow prefill
  EXPECT_EQ(chance.equal_after_equal, 1 + 1);
}

TEST(CoincidenceCounter, PromptsOfAKindWidenTheBound) {
  CoincidenceCounter even(20);
  CoincidenceCounter lumped(20);
  for (Index prompt = 0; prompt < 20; ++prompt) {
    even.add(prompt, with_bits("1000000000"));
    lumped.add(prompt, with_bits(prompt < 2 ? "1111111111" : "0000000000"));
  }
  EXPECT_EQ(even.clustered().equal, lumped.clustered().equal);
  EXPECT_EQ(even.unclustered().upper_bound, lumped.unclustered().upper_bound);
  EXPECT_GT(lumped.clustered().upper_bound, 1.5 * even.clustered().upper_bound);
  EXPECT_GT(lumped.clustered().upper_bound_after_equal, 0.8);
  EXPECT_EQ(even.clustered().equal_after_equal, 0);
}

TEST(Calibrate, PairsThatAreEqualThroughoutAreNoCoincidence) {
  World twins;
  twins.kernel = 0;
  std::vector<HonestRun> runs = honest_runs(twins, 12);
  for (HonestRun& run :
       runs) {  // s0 and s1 on h100 become one setup under two names, s2 does not repeat itself
    if (run.truth == run.verifier && run.truth.setup == "s2") run.positions.front().bit_equal = false;
    if (run.truth.device != "h100" || run.truth.setup == "s2" || run.verifier.setup == "s2") continue;
    for (PositionDifferences& position : run.positions) position.bit_equal = true;
  }
  ThreadPool pool(1);
  const Calibration calibration =
      *calibrate(world_frame(), runs, {.fit = 4, .calibration = 4, .prompts_a_claim = 2}, pool, "w");
  // 18 pairs, less the three setups themselves and the two ways of the twins.
  EXPECT_EQ(calibration.coincidence.positions, 13 * 12 * (kWorldPrompt - 1 + kWorldGenerated));
}

}  // namespace
}  // namespace assay
