// Verdicts of the noisy tier over the world of test_world.h: a100 claimed, h100 run, prompts that the calibration has
// not seen.
#include "verify/noisy_evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "verify/test_world.h"

namespace assay {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Hypothesis kS0 = {"s0", "a100"};
const Hypothesis kS1 = {"s1", "a100"};
const Hypothesis kS2 = {"s2", "a100"};

VerificationAnalysis analysis_of(const Verification& verification,
                                 const Calibration& calibration = world_calibration(), double alpha = 1e-3,
                                 double delta = 1) {
  auto analysis = analyze_verification(
      verification, "v",
      {.alpha = alpha, .delta = delta, .calibration = calibration, .calibration_file = "c.json"});
  EXPECT_TRUE(analysis) << analysis.error().message();
  return *analysis;
}

TEST(NoisyVerdict, AnHonestClaimIsConsistentAndFarSetupsAreExcluded) {
  const VerificationAnalysis analysis = analysis_of(world_verification(kS0, "s0", 30));
  const ClaimVerdict& verdict = analysis.verdict.claims[0];
  const ClaimEvidence& evidence = analysis.evidence[0];
  EXPECT_EQ(verdict.outcome, Outcome::consistent);
  EXPECT_THAT(verdict.reason, HasSubstr("times those of honest runs; e-value 10^"));
  EXPECT_THAT(verdict.possible, ElementsAre(kS0, kS1));  // too much alike to tell
  EXPECT_THAT(verdict.unexamined, IsEmpty());
  EXPECT_NEAR(evidence.mean_deviation, 1, 0.3);
  EXPECT_GE(evidence.log_e_false, -std::log(1e-3));
  const CandidateEvidence& own = *find_candidate(evidence, kS0);
  EXPECT_EQ(own.tier, Tier::noisy);
  EXPECT_EQ(own.verifier, "s0");
  EXPECT_FALSE(own.reproduces);
  EXPECT_EQ(own.decided_after, 0);
  const CandidateEvidence& far = *find_candidate(evidence, kS2);
  EXPECT_TRUE(far.excluded);
  EXPECT_GT(far.decided_after, 0);
  EXPECT_LT(far.decided_after, 8 * 6);
  // On the device that was run the bits are owed.
  EXPECT_EQ(find_candidate(evidence, {"s0", "h100"})->tier, Tier::exact);
  EXPECT_TRUE(find_candidate(evidence, {"s0", "h100"})->excluded);
}

TEST(NoisyVerdict, AClaimOfAFarSetupIsRefuted) {
  const ClaimVerdict verdict = analysis_of(world_verification(kS2, "s0", 12)).verdict.claims[0];
  EXPECT_EQ(verdict.outcome, Outcome::refuted);
  EXPECT_THAT(verdict.reason,
              testing::MatchesRegex("e-value 10\\^[0-9.]+ against it, after [0-9]+ positions"));
  EXPECT_THAT(verdict.possible, ElementsAre(kS2));
}

TEST(NoisyVerdict, OnePromptDecidesNothing) {
  for (const Hypothesis& truth : {kS0, kS2}) {
    const ClaimVerdict verdict = analysis_of(world_verification(truth, "s0", 1)).verdict.claims[0];
    EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
    EXPECT_THAT(verdict.reason, HasSubstr(": too few positions, or too far"));
    EXPECT_THAT(verdict.possible, Contains(kS0));
  }
}

// A device that nobody calibrated, far noisier than any that was.
TEST(NoisyVerdict, TheConfidenceSetMayBeEmpty) {
  World other;
  other.noise = 0.5;
  const VerificationAnalysis analysis = analysis_of(world_verification(kS0, "s0", 12, other));
  EXPECT_EQ(analysis.verdict.outcome, Outcome::refuted);
  EXPECT_THAT(analysis.verdict.claims[0].possible, IsEmpty());
  EXPECT_THAT(analysis.verdict.claims[0].unexamined, IsEmpty());
}

// Three or more of 60 claims have the probability 3e-5 at alpha = 1e-3, were they independent.
TEST(NoisyVerdict, HonestClaimsAreNotRefuted) {
  Index refuted = 0;
  Index consistent = 0;
  for (Index k = 0; k < 20; ++k) {
    for (const assay::Setup& setup : world_setups("a100")) {
      const Hypothesis truth{setup.name, "a100"};
      const auto verification = world_verification(truth, setup.name, 30, {}, 2000 + 30 * k);
      const ClaimVerdict verdict = analysis_of(verification).verdict.claims[0];
      refuted += verdict.outcome == Outcome::refuted ? 1 : 0;
      consistent += verdict.outcome == Outcome::consistent ? 1 : 0;
    }
  }
  EXPECT_LE(refuted, 2);
  EXPECT_GT(consistent, 30);
}

TEST(NoisyVerdict, ASmallDeltaAsksForMore) {
  const Verification verification = world_verification(kS0, "s0", 30);
  EXPECT_EQ(analysis_of(verification, world_calibration(), 1e-3, 0.05).verdict.outcome,
            Outcome::inconclusive);
  EXPECT_EQ(analysis_of(verification, world_calibration(), 1e-3, 3).verdict.outcome, Outcome::consistent);
}

// --- What a calibration does not cover. ---

TEST(CalibrationGap, NamesWhatDiffers) {
  const Verification honest = world_verification(kS0, "s0", 30);
  const auto gap = [&](auto change) {
    Calibration calibration = world_calibration();
    change(calibration);
    const std::string reason = calibration_gap(calibration, view_of(honest, "s0"));
    const VerificationAnalysis analysis = analysis_of(honest, calibration);
    EXPECT_EQ(analysis.verdict.outcome, reason.empty() ? Outcome::consistent : Outcome::inconclusive);
    EXPECT_TRUE(reason.empty() || analysis.verdict.claims[0].reason == reason);
    return reason;
  };
  EXPECT_EQ(gap([](Calibration&) {}), "");
  EXPECT_EQ(gap([](Calibration& c) { c.settings.top_k = 5; }),
            "the calibration is for top 5, the record has top 3");
  EXPECT_EQ(gap([](Calibration& c) { c.replay = "decode"; }),
            "the calibration is for --replay decode, this is --replay prefill");
  EXPECT_EQ(gap([](Calibration& c) { c.settings.last_positions = 3; }),
            "the calibration is for the last 3, the record has all positions");
}

TEST(CalibrationGap, ASetupOnADeviceThatWasNotCalibratedIsNotExamined) {
  Calibration calibration = world_calibration();
  std::erase_if(calibration.cells, [](const CalibrationCell& cell) { return cell.hypothesis == kS0; });
  const Verification verification = world_verification(kS0, "s0", 12);
  EXPECT_FALSE(has_cell(calibration, view_of(verification, "s0"), kS0));
  const ClaimVerdict verdict = analysis_of(verification, calibration).verdict.claims[0];
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.reason, "the calibration has no runs of it seen from a device that was run");
  EXPECT_THAT(verdict.unexamined, ElementsAre(kS0));
}

// What one program's runs look like says nothing of another's.
TEST(CalibrationGap, RunsOfAnotherEngineAreNotExamined) {
  Verification verification = world_verification(kS0, "s0", 30);
  for (auto& claimed : verification.claimed_setups) claimed.ran = {{"engine", "vllm"}};
  const ClaimVerdict open = analysis_of(verification).verdict.claims[0];
  EXPECT_EQ(open.outcome, Outcome::inconclusive);
  EXPECT_EQ(open.reason, "the calibration's runs of it were made by the native engine, the record by vllm");
  Calibration calibration = world_calibration();
  for (CalibrationCell& cell : calibration.cells) cell.engine = "vllm";
  EXPECT_EQ(analysis_of(verification, calibration).verdict.claims[0].outcome, Outcome::consistent);
  for (CalibrationCell& cell : calibration.cells) cell.verifier_engine = "sglang";
  EXPECT_EQ(analysis_of(verification, calibration).verdict.claims[0].outcome, Outcome::inconclusive);
}

// How often five ids agree by chance says nothing of one.
TEST(CalibrationGap, ItsCoincidencesCountForRecordsOfItsKindOnly) {
  const Verification verification = world_verification(kS0, "s0", 2);
  Calibration calibration = world_calibration();
  EXPECT_TRUE(analysis_of(verification, calibration).evidence[0].coincidence_calibrated);
  EXPECT_EQ(analysis_of(verification, calibration).evidence[0].coincidence, calibration.coincidence);
  calibration.settings.top_k = 5;
  EXPECT_FALSE(analysis_of(verification, calibration).evidence[0].coincidence_calibrated);
}

TEST(CheckCalibration, RefusesOtherModelsAndOtherNumerics) {
  const Verification verification = world_verification(kS0, "s0", 1);
  const auto refusal = [&](auto change) {
    Calibration calibration = world_calibration();
    change(calibration);
    const auto checked = check_calibration(calibration, verification, "c.json");
    return checked ? "accepted" : checked.error().message();
  };
  EXPECT_EQ(refusal([](Calibration&) {}), "accepted");
  EXPECT_EQ(refusal([](Calibration& c) { c.setups[1].weights_sha256 = "other"; }),
            "c.json: setups.s1.weights_sha256: expected s1, as the verifier ran it, found other");
  EXPECT_THAT(refusal([](Calibration& c) { c.setups[0].prefill_tokens = 64; }),
              HasSubstr("setups.s0.prefill_tokens"));
  EXPECT_THAT(refusal([](Calibration& c) { c.setups[2].kernel = "marlin_b"; }),
              HasSubstr("setups.s2.kernel"));
  EXPECT_EQ(refusal([](Calibration& c) {
              c.environment = {{"numerics_version", "0"}};
            }),
            "c.json: environment.numerics_version: expected 1, found 0");
  EXPECT_EQ(refusal([](Calibration& c) {
              for (assay::Setup& setup : c.setups) setup.name += "'";
            }),
            "c.json: setups: expected one of the verifier's setups, found none of them");
  Calibration other = world_calibration();
  other.setups[0].weights_sha256 = "other";
  EXPECT_EQ(analyze_verification(verification, "v", {.calibration = other, .calibration_file = "c.json"})
                .error()
                .file,
            "c.json");
}

}  // namespace
}  // namespace assay
