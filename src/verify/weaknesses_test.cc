#include "verify/weaknesses.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "verify/test_records.h"
#include "verify/test_world.h"

namespace assay {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr Index kAll = kPhasePositions;
const Hypothesis kS0 = {"s0", "a100"};

std::vector<std::string> of(const Verification& verification, const std::string& claimed,
                            const DecisionOptions& options = {}) {
  return gather_evidence(verification, {claimed}, options).front().weaknesses;
}

std::vector<std::string> calibrated(const Verification& verification,
                                    const Calibration& calibration = world_calibration()) {
  return of(verification, "s0", {.calibration = calibration});
}

TEST(Weaknesses, AnExactClaimHasOnlyThatOfChance) {
  EXPECT_THAT(
      of(under_both_devices(kHonest), "x"),
      ElementsAre(
          "How often other setups agree by chance (4 of 96 positions) is counted in this claim itself, "
          "positions taken as independent; a calibration counts it by prompts."));
}

TEST(Weaknesses, DecimalsAreNamedByTheCoarsestPrompt) {
  Verification verification = under_both_devices(kHonest);
  for (Generation& claim : verification.claims) {
    const double unit = claim.reference == 0 ? 100 : 1000;
    for (auto* phase : {&claim.prefill, &claim.decode}) {
      for (PositionScores& position : *phase) {
        for (TokenScore& score : position.scores) {
          score.logprob = static_cast<float>(std::round(static_cast<double>(score.logprob) * unit) / unit);
        }
      }
    }
  }
  EXPECT_THAT(of(verification, "x"),
              Contains(StartsWith("The log-probabilities have 2 decimals, fewer than FP32")));
}

TEST(Weaknesses, NameTheTwoProgramsOfAServersRecord) {
  Verification verification = under_both_devices(kHonest);
  for (assay::Setup& setup : verification.claimed_setups) {
    setup.ran = {{"engine", "sglang"}, {"server_version", "0.5.23"}};
  }
  EXPECT_THAT(of(verification, "x"),
              Contains(StartsWith("sglang 0.5.23 made the record and the native engine replayed it: equal")));
}

TEST(Weaknesses, SayWhyThereIsNoEvidence) {
  Verification verification = under_both_devices({{0, 0, 0, 0}, {0, kAll, 0, 0}});
  verification.setups[0].ran = {{"determinism", "not_deterministic"}};
  const auto all = of(verification, "x");
  EXPECT_THAT(all, Contains("No evidence on the claim itself: no calibration was given."));
  EXPECT_THAT(
      all,
      Contains(StartsWith("x leaves the order of its additions to chance: bits cannot be demanded of it")));
  EXPECT_THAT(of(verification, "y"), Not(Contains(HasSubstr("order of its additions"))));
}

TEST(Weaknesses, IdsThatAServerDoesNotScoreAreCounted) {
  Verification verification = under_both_devices(kHonest);
  Index ids = 0;
  Index dropped = 0;
  for (const Generation& claim : verification.claims) {
    if (claim.setup != "x") continue;
    for (const auto* phase : {&claim.prefill, &claim.decode}) {
      for (const PositionScores& position : *phase) ids += static_cast<Index>(position.scores.size());
    }
  }
  const std::string verifier = verifier_name(verification.setups[0], verification.setups);
  for (Reexecution& run : verification.reexecutions) {
    if (run.claimed != "x" || run.verifier != verifier) continue;
    run.decode.front().scores.pop_back();
    ++dropped;
  }
  EXPECT_THAT(of(verification, "x"), Not(Contains(HasSubstr("were not compared"))));
  verification.setups[0].ran.emplace_back("ids_scored", "top_k");
  EXPECT_THAT(
      of(verification, "x"),
      Contains(fmt::format("{} scored only its own most likely ids: {} of the {} ids of the record were "
                           "not compared.",
                           verifier, dropped, ids)));
}

TEST(Weaknesses, UncheckedTokensAreSaid) {
  Verification verification = under_both_devices(kHonest);
  for (Reexecution& run : verification.reexecutions) run.tokens.clear();
  EXPECT_THAT(of(verification, "x"), Contains(StartsWith("The generated tokens were not checked: ")));
  EXPECT_THAT(of(under_both_devices(kHonest), "x"), Each(Not(HasSubstr("tokens were not checked"))));
}

// The planted fault: the tokens of this claim were not checked, those of a claim beside it were.
TEST(Weaknesses, AnotherClaimsCheckedTokensDoNotCount) {
  Verification verification = under_both_devices(kHonest);
  for (Reexecution& run : verification.reexecutions) {
    if (run.claimed == "x") run.tokens.clear();
  }
  EXPECT_THAT(of(verification, "x"), Contains(StartsWith("The generated tokens were not checked: ")));
}

TEST(Weaknesses, TooFewPromptsAreCounted) {
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 1)),
              Contains("1 prompt against 60 calibrated ones cannot refute at 0.001: 4 are needed."));
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 12)), Each(Not(HasSubstr("cannot refute"))));
  Calibration tiny = world_calibration();
  for (CalibrationCell& cell : tiny.cells) cell.logprob_scores = {0.5};
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 3), tiny),
              Contains(HasSubstr("cannot refute at 0.001: ")));
}

TEST(Weaknesses, ALengthThatWasNotCalibratedIsSaid) {
  Calibration other = world_calibration();
  for (const Index tokens : {kWorldPrompt * 3, kWorldPrompt / 3}) {
    other.settings.prompt_tokens = tokens;
    EXPECT_THAT(calibrated(world_verification(kS0, "s0", 4), other),
                Contains(HasSubstr("noise grows with length")))
        << tokens;
  }
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 4)), Each(Not(HasSubstr("noise grows with length"))));
}

TEST(Weaknesses, TheBoundOfFalseAlarmsIsSaidWhereItIsAboveAlpha) {
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 4)),
              Contains(StartsWith(
                  "On a100 seen from h100 0 of 30 honest claims of the calibration were refuted, in 10 "
                  "independent groups: this bounds the rate of false alarms by 2.6e-01 only (95 %)")));
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 4)),
              Contains(HasSubstr(" 2995 groups would show it.")));
  Calibration large = world_calibration();
  for (FalsePositives& rate : large.false_positives) rate.upper_bound = 1e-3;
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 4), large), Each(Not(HasSubstr("false alarms"))));
}

TEST(Weaknesses, OtherSamplingThanTheCalibrations) {
  Verification verification = world_verification(kS0, "s0", 4);
  verification.claimed_settings.sampling = {.sampler = Sampler::inverse_cdf, .temperature = 1};
  EXPECT_THAT(calibrated(verification),
              Contains(StartsWith("The calibration's tokens were chosen in another way")));
  EXPECT_THAT(calibrated(world_verification(kS0, "s0", 4)), Each(Not(HasSubstr("in another way"))));
}

}  // namespace
}  // namespace assay
