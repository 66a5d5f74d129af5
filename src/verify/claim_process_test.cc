#include "verify/claim_process.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "stats/binomial.h"
#include "verify/test_noise.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

CalibrationCell cell_of(std::vector<double> logprobs, std::vector<double> tokens) {
  CalibrationCell cell;
  cell.logprob_scores = std::move(logprobs);
  cell.token_scores = std::move(tokens);
  return cell;
}

const CalibrationCell kHundred = [] {
  std::vector<double> scores;
  for (int i = 0; i < 100; ++i) scores.push_back(i);
  return cell_of(scores, std::vector<double>(100, 0));
}();

TEST(ClaimProcess, StrangePromptsRefuteAndCommonOnesDoNot) {
  const std::vector<PromptScore> strange(8, {1000, 0});
  const std::vector<PromptScore> common(8, {40, 0});
  const Index after = prompts_to_refute(kHundred, strange, 1e-3);
  EXPECT_GT(after, 1);
  EXPECT_LE(after, 4);
  EXPECT_LT(after, prompts_to_refute(kHundred, strange, 1e-6));
  EXPECT_EQ(prompts_to_refute(kHundred, common, 1e-3), 0);
  EXPECT_EQ(prompts_to_refute(kHundred, {}, 1e-3), 0);
}

TEST(ClaimProcess, EitherScoreIsEnough) {
  const std::vector<PromptScore> logprobs(8, {kInfinity, 0});
  const std::vector<PromptScore> tokens(8, {0, 5});
  EXPECT_GT(prompts_to_refute(kHundred, logprobs, 1e-3), 0);
  EXPECT_GT(prompts_to_refute(kHundred, tokens, 1e-3), 0);
}

TEST(ClaimProcess, TiesAreNotStrange) {
  const CalibrationCell flat = cell_of(std::vector<double>(50, 0), std::vector<double>(50, 0));
  const std::vector<PromptScore> same(40, {0, 0});
  EXPECT_EQ(prompts_to_refute(flat, same, 1e-3), 0);
}

TEST(ClaimProcess, LookingWithinAPromptSeesNoMoreThanItsEnd) {
  ClaimProcess process(kHundred);
  double last = -kInfinity;
  for (const double score : {0.0, 20.0, 80.0, 99.5, 1000.0}) {
    const double now = process.log_e_value({score, 0});
    EXPECT_GE(now, last);
    last = now;
  }
  process.finish({1000, 0});
  EXPECT_EQ(process.log_max(), std::max(0.0, last));
  process.finish({0, 0});
  EXPECT_EQ(process.log_max(), std::max(0.0, last));  // what was reached stays
}

// --- How often the truth is refuted: calibrations and claims drawn together, as the promise is made. ---

constexpr Index kClaims = 3000;
constexpr std::array kAlphas = {0.05, 0.01};

struct Trial {
  double fitted_noise = 1;
  double calibration_noise = 1;
  double claim_noise = 1;
};

// Prompts of six positions with a planted noise; scored by a model that was fitted to others, against a rival.
class Prover {
 public:
  Prover(std::uint64_t seed, const Trial& trial)
      : random_(seed),
        trial_(trial),
        fitted_(fit_noise(draw_positions(kTruth, 200, seed, trial.fitted_noise))) {}

  PromptScore prompt(double noise) {
    std::vector<PositionDifferences> own;
    std::vector<PositionDifferences> other;
    for (Index position = 1; position <= 6; ++position) {
      own.push_back(draw_position(kTruth, position, random_, noise));
      other.push_back(draw_position(kTruth, position, random_, 2));
    }
    const Explanation rivals[] = {{other, &fitted_}};
    return {score_path({own, &fitted_}, rivals, 3).back(), draw_unit(random_) < 0.1 ? draw_unit(random_) : 0};
  }

  // Refuted claims of four prompts by kAlphas, each with 20 calibration prompts of its own.
  std::array<Index, 2> refuted(Index claims) {
    std::array<Index, 2> counts = {};
    for (Index claim = 0; claim < claims; ++claim) {
      CalibrationCell cell;
      for (int i = 0; i < 20; ++i) {
        const PromptScore score = prompt(trial_.calibration_noise);
        cell.logprob_scores.push_back(score.logprobs);
        cell.token_scores.push_back(score.tokens);
      }
      std::vector<PromptScore> prompts;
      for (int i = 0; i < 4; ++i) prompts.push_back(prompt(trial_.claim_noise));
      for (std::size_t a = 0; a < 2; ++a)
        counts[a] += prompts_to_refute(cell, prompts, kAlphas[a]) > 0 ? 1 : 0;
    }
    return counts;
  }

 private:
  inline static const NoiseModel kTruth = planted_noise(0.02, 0.05);
  SplitMix64 random_;
  Trial trial_;
  NoiseModel fitted_;
};

// However wrong the noise model is: it sharpens a test, and never decides how often it errs.
TEST(ClaimProcess, ATrueClaimIsRefutedAtMostAsOftenAsAlphaSays) {
  for (const double fitted_noise : {1.0, 0.25}) {
    const auto counts = Prover(1, {.fitted_noise = fitted_noise}).refuted(kClaims);
    for (std::size_t a = 0; a < 2; ++a) {
      EXPECT_LE(rate_interval(counts[a], kClaims, 0.998).low, kAlphas[a]) << counts[a];
    }
    EXPECT_TRUE(fitted_noise == 1 || counts[0] > 0) << "a test in which nothing is ever refuted";
  }
}

// The planted faults: a claim of four times the noise, and scores taken from what is four times quieter.
TEST(ClaimProcess, LouderClaimsAndQuieterCalibrationsAreNoticed) {
  for (const Trial& trial : {Trial{1, 1, 4}, Trial{0.25, 0.25, 1}}) {
    const auto counts = Prover(2, trial).refuted(200);
    EXPECT_GT(rate_interval(counts[0], 200, 0.998).low, kAlphas[0]) << trial.claim_noise;
  }
}

}  // namespace
}  // namespace assay
