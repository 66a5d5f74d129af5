// The exact tier's verdicts: claims x and y, replayed on two devices.
#include "verify/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "verify/test_records.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr Index kAll = kPhasePositions;

// A column of 32 positions without an equal one bounds chance by 9 %, and two prompts then reach 126.
VerificationAnalysis analysis_of(const Verification& verification) {
  auto analysis = analyze_verification(verification, "v", {.alpha = 0.01, .calibration = {}});
  EXPECT_TRUE(analysis) << analysis.error().message();
  return *analysis;
}

ClaimVerdict verdict_of(const Verification& verification) {
  return analysis_of(verification).verdict.claims.at(0);
}

TEST(Verdict, WithoutEqualBitsAndCalibrationItIsOpenAndSaysWhy) {
  Verification verification = under_both_devices(kHonest);
  verification.claimed_setups[0].device = "NVIDIA A100-SXM4-80GB";
  for (Reexecution& run : verification.reexecutions) change_a_bit(run.prefill.front());
  verification.environment = {{"vllm_version", "0.11"}};  // a program that owes us no bits
  const ClaimVerdict verdict = verdict_of(verification);
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.reason, "no calibration was given");
  EXPECT_THAT(verdict.possible, IsEmpty());
  EXPECT_EQ(verdict.unexamined.size(), 6U);  // two setups on each of three devices
}

// A file of the seed's schema has distances only: however far or near they are, no bit of it is known.
TEST(Verdict, DistancesAloneDecideNothing) {
  Verification verification = under_both_devices({{0, kAll, 0, 0}, {0, kAll, 0, 0}});
  verification.claims.clear();
  verification.reexecutions.clear();
  const VerificationAnalysis analysis = analysis_of(verification);
  EXPECT_EQ(analysis.verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(analysis.verdict.claims[0].reason,
            "the verification does not hold the claim's log-probabilities");
  EXPECT_THAT(analysis.verdict.claims[0].possible, IsEmpty());
}

TEST(Verdict, OverallIsTheWorst) {
  const auto overall = [](const EqualPositions& equal) {
    return analysis_of(under_both_devices(equal)).verdict.outcome;
  };
  EXPECT_EQ(overall({{kAll, 0, 0, 0}, {0, kAll, 0, 0}}), Outcome::consistent);
  EXPECT_EQ(overall({{kAll, 0, 0, 0}, {kAll, kAll, 0, 0}}), Outcome::inconclusive);
  EXPECT_EQ(overall({{kAll, 0, 0, 0}, {kAll, 0, 0, 0}}), Outcome::refuted);
}

TEST(ExactVerdict, TheOwnSetupAloneIsConsistent) {
  const ClaimVerdict verdict = verdict_of(under_both_devices(kHonest));
  EXPECT_EQ(verdict.outcome, Outcome::consistent);
  EXPECT_THAT(verdict.reason, HasSubstr("all 32 positions bit for bit; by chance: 1 / 10^"));
  EXPECT_THAT(verdict.possible, ElementsAre(Hypothesis{"x", "a100"}));
  EXPECT_THAT(verdict.unexamined, IsEmpty());
}

TEST(ExactVerdict, EqualBitsThatChanceExplainsLeaveItOpen) {
  Verification verification = under_both_devices({{kAll, kAll - 1, 0, 0}, {kAll - 1, kAll, 0, 0}});
  verification.reference_environment = {{"assay_version", "0"}};  // no bits are owed: chance decides
  const ClaimVerdict verdict = verdict_of(verification);
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_THAT(verdict.reason, HasSubstr("which is too likely"));
}

TEST(ExactVerdict, AnotherSetupRefutes) {
  const VerificationAnalysis analysis = analysis_of(under_both_devices({{0, kAll, 0, 0}, {0, kAll, 0, 0}}));
  const ClaimVerdict& verdict = analysis.verdict.claims[0];
  EXPECT_EQ(verdict.outcome, Outcome::refuted);
  EXPECT_EQ(verdict.reason, "its replay gives other bits");
  EXPECT_THAT(verdict.possible, ElementsAre(Hypothesis{"y", "a100"}));
}

// A server is another program: an honest one of the claimed setup gives other bits than this one does.
TEST(ExactVerdict, BitsAreOwedWithinOneProgramOnly) {
  const Environment none{};
  const Environment sglang = {{"engine", "sglang"}, {"server_version", "0.5.23"}};
  const Environment newer = {{"engine", "sglang"}, {"server_version", "0.5.24"}};
  const Environment vllm = {{"engine", "vllm"}, {"server_version", "0.5.23"}};
  const auto outcome = [](const Environment& prover, const Environment& verifier) {
    Verification verification = under_both_devices({{0, 0, 0, 0}, {0, 0, 0, 0}});
    for (assay::Setup& setup : verification.claimed_setups) setup.ran = prover;
    for (assay::Setup& setup : verification.setups) setup.ran = verifier;
    return verdict_of(verification).outcome;
  };
  EXPECT_EQ(outcome(none, none), Outcome::refuted);
  EXPECT_EQ(outcome(sglang, sglang), Outcome::refuted);
  EXPECT_EQ(outcome(sglang, none), Outcome::inconclusive);
  EXPECT_EQ(outcome(none, sglang), Outcome::inconclusive);
  EXPECT_EQ(outcome(sglang, newer), Outcome::inconclusive);
  EXPECT_EQ(outcome(sglang, vllm), Outcome::inconclusive);
}

TEST(ExactVerdict, AnotherDeviceThanTheClaimedRefutes) {
  const ClaimVerdict verdict = verdict_of(under_both_devices({{3, 0, kAll, 0}, {0, kAll, 0, 0}}));
  EXPECT_EQ(verdict.outcome, Outcome::refuted);
  EXPECT_THAT(verdict.possible, ElementsAre(Hypothesis{"x", "h100"}));
  // Both devices giving the bits is no lie.
  const ClaimVerdict both = verdict_of(under_both_devices({{kAll, 0, kAll, 0}, {0, kAll, 0, 0}}));
  EXPECT_EQ(both.outcome, Outcome::consistent);
  EXPECT_THAT(both.possible, ElementsAre(Hypothesis{"x", "a100"}, Hypothesis{"x", "h100"}));
}

// A GPU's name in a record of another program: which of our devices that is, the bits say.
TEST(ExactVerdict, AForeignDeviceLeavesTheSetup) {
  Verification verification = under_both_devices({{3, 0, kAll, 0}, {0, kAll, 0, 0}});
  verification.claimed_setups[0].device = "NVIDIA H100 80GB HBM3";
  const VerificationAnalysis analysis = analysis_of(verification);
  EXPECT_EQ(analysis.verdict.claims[0].outcome, Outcome::consistent);
  EXPECT_EQ(analysis.evidence[0].own, (Hypothesis{"x", "h100"}));
  // The same name beside another setup's bits is refuted by them.
  verification = under_both_devices({{0, kAll, 0, 0}, {0, kAll, 0, 0}});
  verification.claimed_setups[0].device = "NVIDIA H100 80GB HBM3";
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::refuted);
  EXPECT_EQ(verdict_of(verification).reason, "y on a100 gives every bit of the record");
}

TEST(ExactVerdict, ARivalWithTheSameBitsLeavesItOpenUnlessEquivalentInTheRecord) {
  Verification verification = under_both_devices({{kAll, kAll, 0, 0}, {kAll, kAll, 0, 0}});
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict_of(verification).reason, "y on a100 gives every bit as well");
  verification.prefill_equivalent_pairs = {{"x", "y"}};
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);  // decode may still tell them apart
  verification.decode_equivalent_pairs = {{"y", "x"}};
  const ClaimVerdict verdict = verdict_of(verification);
  EXPECT_EQ(verdict.outcome, Outcome::consistent);
  EXPECT_THAT(verdict.possible, ElementsAre(Hypothesis{"x", "a100"}, Hypothesis{"y", "a100"}));
}

// The planted fault: beside a changed claim stands a dummy that is another setup than the verifier's of its
// name and has nothing to compare. It speaks for itself alone.
TEST(ExactVerdict, ADummyClaimShieldsNoOther) {
  Verification verification = under_both_devices({{3, 0, 0, 0}, {0, kAll, 0, 0}});
  verification.claimed_setups[1].kernel = "marlin_b";
  for (Generation& claim : verification.claims) {
    if (claim.setup == "y") claim.prefill = claim.decode = {};
  }
  for (Reexecution& run : verification.reexecutions) {
    if (run.claimed != "y") continue;
    run.prefill = run.decode = {};
    run.tokens = {};
  }
  compare_again(verification);
  const VerificationAnalysis analysis = analysis_of(verification);
  ASSERT_EQ(analysis.reproduction.claims.size(), 1U);
  EXPECT_EQ(analysis.reproduction.claims[0].claimed, "x");
  EXPECT_EQ(analysis.verdict.claims[0].outcome, Outcome::refuted);
  EXPECT_EQ(analysis.verdict.claims[0].reason, "its replay gives other bits");
  EXPECT_EQ(analysis.verdict.claims[1].outcome, Outcome::inconclusive);
  EXPECT_THAT(analysis.verdict.claims[1].possible, IsEmpty());
}

// A provider who sells a setup that is not deterministic and runs another must not get away with it.
TEST(ExactVerdict, UnpromisedBitsRefuteOnlyBesideAnothersEqualOnes) {
  const Environment unpromised[] = {{{"determinism", "not_deterministic"}}, {{"rows_change_bits", "yes"}}};
  for (const Environment& ran : unpromised) {
    const auto judged = [&](const EqualPositions& equal) {
      Verification verification = under_both_devices(equal);
      verification.replay = "prefill";
      for (assay::Setup& setup : verification.setups) {
        if (setup.name == "x") setup.ran = ran;
      }
      return verdict_of(verification);
    };
    // The honest case: nobody reproduces it, and its own noise refutes nothing.
    const ClaimVerdict honest = judged({{0, 0, 0, 0}, {0, kAll, 0, 0}});
    EXPECT_EQ(honest.outcome, Outcome::inconclusive) << ran[0].first;
    EXPECT_EQ(honest.reason, "no calibration was given");
    const ClaimVerdict lie = judged({{0, kAll, 0, 0}, {0, kAll, 0, 0}});
    EXPECT_EQ(lie.outcome, Outcome::refuted) << ran[0].first;
    EXPECT_EQ(lie.reason, "y on a100 gives every bit of the record");
  }
}

// What the record says of its own run is the prover's word.
TEST(ExactVerdict, OnlyTheVerifiersWordReleasesFromBits) {
  const EqualPositions changed = {{3, 0, 0, 0}, {0, kAll, 0, 0}};
  const auto outcome = [&](const char* replay, const Environment& ran, const Environment& claimed_ran) {
    Verification verification = under_both_devices(changed);
    verification.replay = replay;
    verification.setups[0].ran = ran;
    verification.claimed_setups[0].ran = claimed_ran;
    return verdict_of(verification).outcome;
  };
  EXPECT_EQ(outcome("prefill", {}, {}), Outcome::refuted);
  EXPECT_EQ(outcome("prefill", {{"rows_change_bits", "no"}}, {}), Outcome::refuted);
  EXPECT_EQ(outcome("prefill", {{"rows_change_bits", "yes"}}, {}), Outcome::inconclusive);
  EXPECT_EQ(outcome("decode", {{"rows_change_bits", "yes"}}, {}), Outcome::refuted);
  EXPECT_EQ(outcome("decode", {{"determinism", "not_deterministic"}}, {}), Outcome::inconclusive);
  EXPECT_EQ(outcome("decode", {{"determinism", "deterministic"}}, {{"determinism", "not_deterministic"}}),
            Outcome::refuted);
}

// The planted fault: the record says a100, was made on h100, and only h100 was run.
TEST(ExactVerdict, AClaimedDeviceOfOursThatWasNotRunStaysOpen) {
  Verification verification = under_both_devices({{0, 0, kAll, 0}, {0, kAll, 0, 0}});
  std::erase_if(verification.setups, [](const assay::Setup& setup) { return setup.device == "a100"; });
  std::erase_if(verification.reexecutions, [](const auto& run) { return run.verifier.ends_with("@a100"); });
  for (Reexecution& run : verification.reexecutions) run.verifier.resize(1);
  compare_again(verification);
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::consistent);  // a100 might be any GPU's name
  verification.claimed_setups[0].ran = {{"device", "a100"}};
  const ClaimVerdict verdict = verdict_of(verification);
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.reason, "reproduced bit for bit on h100; the claimed device a100 was not run");
}

TEST(ExactVerdict, AnotherSetupOfTheSameNameDecidesNothing) {
  for (const auto& equal : {kAll, Index{0}}) {  // reproduced by x, or by y in its place
    Verification verification = under_both_devices({{equal, kAll - equal, 0, 0}, {0, kAll, 0, 0}});
    verification.claimed_setups[0].profile = "vllm-0.12";
    EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
    EXPECT_EQ(verdict_of(verification).reason,
              "the verifier's setup differs in profile: vllm-0.12 claimed, vllm-0.11 run");
  }
  // Kernels are what ran, whoever chose it.
  Verification verification = under_both_devices(kHonest);
  verification.setups[0].kernel = "marlin_a";
  EXPECT_THAT(verdict_of(verification).reason, HasSubstr("kernel: (none) claimed, marlin_a run"));
  verification.claimed_setups[0].ran = {{"kernel", "marlin_a"}};
  verification.setups[0].ran = {{"kernel", "marlin_a"}};
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::consistent);
}

TEST(ExactVerdict, ASetupThatTheVerifierDoesNotHaveIsOpen) {
  Verification verification = under_both_devices(kHonest);
  verification.claimed_setups[0].name = "z";
  for (Generation& claim : verification.claims) {
    if (claim.setup == "x") claim.setup = "z";
  }
  for (Reexecution& run : verification.reexecutions) {
    if (run.claimed == "x") run.claimed = "z";
  }
  compare_again(verification);
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict_of(verification).reason, "the claimed setup was not run by the verifier");
}

// The provider of the README: sells x, and its record says itself that it ran what the auditor calls y.
TEST(ExactVerdict, ARecordThatDescribesAnotherSetupIsRefuted) {
  Verification verification = under_both_devices({{0, kAll, 0, 0}, {0, kAll, 0, 0}});
  verification.claimed_setups[0].weights_sha256 = "y";
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::refuted);
  EXPECT_EQ(verdict_of(verification).reason,
            "y on a100 gives every bit, and is what the record says of itself");
  verification.claimed_setups[0].weights_sha256 = "unknown";
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
}

}  // namespace
}  // namespace assay
