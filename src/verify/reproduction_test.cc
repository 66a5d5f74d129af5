#include "verify/reproduction.h"

#include <gmock/gmock.h>

#include <limits>

#include "verify/analysis.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Setup setup(const std::string& name, const std::string& device) {
  Setup made;
  made.name = name;
  made.device = device;
  made.weights_sha256 = name;
  return made;
}

constexpr Index kPositions = 4;  // of a phase; two references

// `equal` positions of each phase have equal bits, of both references together.
void add(Verification& verification, const std::string& claimed, const std::string& verifier, Index equal) {
  for (const Index reference : {0, 1}) {
    const Index here =
        reference == 0 ? std::min<Index>(equal, kPositions / 2) : std::max<Index>(equal - 2, 0);
    const bool whole = here == kPositions / 2;
    PhaseComparison phase{.positions = kPositions / 2, .bit_equal = here};
    phase.mean = phase.max = whole ? 0 : 0.5;
    phase.first_difference = whole ? 0 : 7;
    verification.comparisons.push_back({.reference = reference,
                                        .claimed = claimed,
                                        .verifier = verifier,
                                        .prefill = phase,
                                        .decode = phase});
  }
}

// Claims x and y, recorded under a100; verified under a100 and h100. `equal[claim][column]`, the columns
// being x@a100, y@a100, x@h100, y@h100.
Verification under_two_devices(const Index (&equal)[2][4]) {
  Verification verification;
  verification.replay = "decode";
  verification.environment = verification.reference_environment = {{"assay_version", "1"}};
  verification.claimed_setups = {setup("x", "a100"), setup("y", "a100")};
  verification.setups = {setup("x", "a100"), setup("y", "a100"), setup("x", "h100"), setup("y", "h100")};
  for (std::size_t claim = 0; claim < 2; ++claim) {
    for (std::size_t column = 0; column < 4; ++column) {
      add(verification, claim == 0 ? "x" : "y",
          verifier_name(verification.setups[column], verification.setups), equal[claim][column]);
    }
  }
  return verification;
}

VerificationAnalysis analysis_of(const Verification& verification) {
  auto analysis = analyze_verification(verification, "v");
  EXPECT_TRUE(analysis) << analysis.error().message();
  return *analysis;
}

const Index kHonest[2][4] = {{4, 1, 0, 0}, {0, 4, 2, 0}};

TEST(Reproduction, CountsPositionsAndCoincidences) {
  const Reproduction exact = analysis_of(under_two_devices(kHonest)).reproduction;
  ASSERT_EQ(exact.claims.size(), 2U);
  EXPECT_THAT(exact.claims[0].reproduced_by, ElementsAre("x@a100"));
  EXPECT_THAT(exact.claims[1].reproduced_by, ElementsAre("y@a100"));
  EXPECT_EQ(exact.claims[0].positions, 2 * kPositions);
  ASSERT_EQ(exact.claims[0].pairs.size(), 4U);
  EXPECT_TRUE(exact.claims[0].pairs[0].whole);
  EXPECT_EQ(exact.claims[0].pairs[0].first_difference.position, 0);
  EXPECT_FALSE(exact.claims[0].pairs[1].whole);
  EXPECT_EQ(exact.claims[0].pairs[1].prefill.equal, 1);
  // Six pairs differ, with 1 + 2 equal positions in each phase.
  EXPECT_EQ(exact.differing_prefill.positions, 6 * kPositions);
  EXPECT_EQ(exact.differing_prefill.equal, 3);
  EXPECT_EQ(exact.differing_decode.equal, 3);
}

TEST(Reproduction, TheFirstDifferenceIsThatOfTheFirstReferencePrefillFirst) {
  Verification verification = under_two_devices(kHonest);
  const auto first = [&] {
    return analysis_of(verification).reproduction.claims[0].pairs[1].first_difference;
  };
  EXPECT_EQ(first().reference, 0);
  EXPECT_FALSE(first().decode);
  verification.comparisons[2].prefill.first_difference = 0;
  EXPECT_TRUE(first().decode);
  std::swap(verification.comparisons[2], verification.comparisons[3]);  // their order does not matter
  EXPECT_EQ(first().reference, 0);
}

TEST(Reproduction, NeedsAReexecutionThatCountedPositions) {
  Verification verification = under_two_devices(kHonest);
  verification.replay = "";
  EXPECT_THAT(analysis_of(verification).reproduction.claims, IsEmpty());
  verification.replay = "prefill";
  for (Comparison& comparison : verification.comparisons) {
    comparison.prefill.positions = comparison.prefill.bit_equal = 0;
    comparison.decode.positions = comparison.decode.bit_equal = 0;
  }
  EXPECT_THAT(analysis_of(verification).reproduction.claims, IsEmpty());
}

TEST(SeveralDevices, EachHasItsOwnTables) {
  const VerificationAnalysis analysis = analysis_of(under_two_devices(kHonest));
  EXPECT_THAT(analysis.verifiers, ElementsAre("x@a100", "y@a100", "x@h100", "y@h100"));
  EXPECT_THAT(analysis.prefill.matrix,
              ElementsAre(ElementsAre(0, 0.5, 0.5, 0.5), ElementsAre(0.5, 0, 0.25, 0.5)));
  ASSERT_EQ(analysis.devices.size(), 2U);
  EXPECT_EQ(analysis.devices[1].device(), "h100");
  EXPECT_THAT(analysis.devices[1].verifiers, ElementsAre("x", "y"));
  EXPECT_THAT(analysis.devices[1].prefill.matrix, ElementsAre(ElementsAre(0.5, 0.5), ElementsAre(0.25, 0.5)));
  EXPECT_EQ(analysis.devices[0].prefill.baseline_mean, 0);
  EXPECT_EQ(analysis.devices[1].prefill.baseline_mean, 0.5);
  EXPECT_EQ(analysis.devices[1].prefill.pairwise_snr.size(), 1U);
}

ClaimVerdict verdict_of(const Verification& verification) {
  return analysis_of(verification).verdict.claims[0];
}

TEST(ExactVerdict, TheOwnSetupAloneIsConsistent) {
  const ClaimVerdict verdict = verdict_of(under_two_devices(kHonest));
  EXPECT_EQ(verdict.outcome, Outcome::consistent);
  EXPECT_EQ(verdict.reason, "reproduced bit for bit by the claimed setup, not by 3 others");
  EXPECT_THAT(verdict.candidates, ElementsAre("x@a100"));
}

TEST(ExactVerdict, AnotherSetupRefutes) {
  const ClaimVerdict verdict = verdict_of(under_two_devices({{0, 4, 0, 0}, {0, 4, 0, 0}}));
  EXPECT_EQ(verdict.outcome, Outcome::refuted);
  EXPECT_EQ(verdict.reason, "reproduced bit for bit by y@a100, not by the claimed setup");
}

TEST(ExactVerdict, AnotherDeviceThanTheClaimedRefutes) {
  const ClaimVerdict verdict = verdict_of(under_two_devices({{3, 0, 4, 0}, {0, 4, 0, 0}}));
  EXPECT_EQ(verdict.outcome, Outcome::refuted);
  EXPECT_THAT(verdict.candidates, ElementsAre("x@h100"));
  // Both devices giving the bits is no lie.
  EXPECT_EQ(verdict_of(under_two_devices({{4, 0, 4, 0}, {0, 4, 0, 0}})).outcome, Outcome::consistent);
}

TEST(ExactVerdict, AClaimedDeviceThatWasNotRunLeavesTheSetup) {
  Verification verification = under_two_devices({{3, 0, 4, 0}, {0, 4, 0, 0}});
  verification.claimed_setups[0].device = "NVIDIA H100 80GB HBM3";
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::consistent);
  EXPECT_EQ(verdict_of(verification).reason,
            "reproduced bit for bit by the claimed setup on h100, not by 3 others");
}

TEST(ExactVerdict, ARivalWithTheSameBitsLeavesItOpenUnlessEquivalentInTheRecord) {
  Verification verification = under_two_devices({{4, 4, 0, 0}, {4, 4, 0, 0}});
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
  verification.prefill_equivalent_pairs = verification.decode_equivalent_pairs = {{"x", "y"}};
  const ClaimVerdict verdict = verdict_of(verification);
  EXPECT_EQ(verdict.outcome, Outcome::consistent);
  EXPECT_THAT(verdict.candidates, ElementsAre("x@a100", "y@a100"));
}

// The planted fault: one log-probability of the record has another bit.
TEST(ExactVerdict, OneChangedBitIsFound) {
  Verification verification = under_two_devices(kHonest);
  Comparison& changed = verification.comparisons[1];  // x under x@a100, ref_1
  changed.decode = {.mean = 1e-9, .max = 1e-9, .positions = 2, .bit_equal = 1, .first_difference = 12};
  const VerificationAnalysis analysis = analysis_of(verification);
  EXPECT_THAT(analysis.reproduction.claims[0].reproduced_by, IsEmpty());
  const FirstDifference first = analysis.reproduction.claims[0].pairs[0].first_difference;
  EXPECT_EQ(first.reference, 1);
  EXPECT_EQ(first.position, 12);
  EXPECT_TRUE(first.decode);
  EXPECT_EQ(analysis.verdict.claims[0].outcome, Outcome::refuted);
  EXPECT_THAT(analysis.verdict.claims[0].reason, HasSubstr("the same setup was run again"));
}

// The planted fault: beside a changed claim stands a dummy that is another setup than the verifier's of its
// name and has nothing to compare. It speaks for itself alone.
TEST(ExactVerdict, ADummyClaimShieldsNoOther) {
  Verification verification = under_two_devices({{3, 0, 0, 0}, {0, 4, 0, 0}});
  verification.claimed_setups[1].kernel = "marlin_b";
  const double infinity = std::numeric_limits<double>::infinity();
  for (Comparison& comparison : verification.comparisons) {
    if (comparison.claimed == "y")
      comparison.prefill = comparison.decode = {.mean = infinity, .max = infinity};
  }
  const VerificationAnalysis analysis = analysis_of(verification);
  ASSERT_EQ(analysis.reproduction.claims.size(), 1U);
  EXPECT_EQ(analysis.reproduction.claims[0].claimed, "x");
  EXPECT_EQ(analysis.verdict.claims[0].outcome, Outcome::refuted);
  EXPECT_THAT(analysis.verdict.claims[0].reason, HasSubstr("the same setup was run again"));
  EXPECT_EQ(analysis.verdict.claims[1].outcome, Outcome::inconclusive);
}

// A claim x that y@a100 reproduces; x@a100 is `own` away and need not give its bits.
Verification reproduced_by_another(double own, const Environment& ran) {
  Verification verification = under_two_devices({{0, 4, 0, 0}, {0, 4, 0, 0}});
  verification.setups[0].ran = ran;
  for (Comparison& comparison : verification.comparisons) {
    if (comparison.claimed != "x" || comparison.verifier != "x@a100") continue;
    comparison.prefill.mean = comparison.prefill.max = own;
    comparison.decode.mean = comparison.decode.max = own;
  }
  return verification;
}

// A provider who sells a setup that is not deterministic and runs another must not get away with it (until
// then this was inconclusive): another's bits are a distance of 0, and the distances decide.
TEST(ExactVerdict, UnpromisedBitsLoseByDistance) {
  const Environment noisy = {{"determinism", "not_deterministic"}};
  const ClaimVerdict verdict = verdict_of(reproduced_by_another(0.5, noisy));
  EXPECT_EQ(verdict.outcome, Outcome::refuted);
  EXPECT_EQ(
      verdict.reason,
      "reproduced bit for bit by y@a100; the claimed setup is not deterministic and is more than 3 times "
      "farther");
  // The honest case: nobody reproduces it, and its own noise refutes nothing.
  Verification honest = under_two_devices({{0, 0, 0, 0}, {0, 4, 0, 0}});
  honest.setups[0].ran = noisy;
  EXPECT_EQ(verdict_of(honest).outcome, Outcome::inconclusive);
  // No distance, or none that could be measured: open.
  for (const double own : {0.0, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(verdict_of(reproduced_by_another(own, noisy)).outcome, Outcome::inconclusive) << own;
  }
  Verification rows = reproduced_by_another(0, {{"rows_change_bits", "yes"}});
  EXPECT_EQ(verdict_of(rows).outcome, Outcome::refuted);
  rows.replay = "prefill";
  EXPECT_EQ(verdict_of(rows).outcome, Outcome::inconclusive);
  EXPECT_THAT(verdict_of(rows).reason, HasSubstr("--replay decode"));
}

// The planted fault: the record says a100, was made on h100, and only h100 was run.
TEST(ExactVerdict, AClaimedDeviceThatWasNotRunStaysOpen) {
  Verification verification = under_two_devices({{0, 0, 4, 0}, {0, 4, 0, 0}});
  const auto a100 = [](const auto& of) { return of.device == "a100"; };
  std::erase_if(verification.setups, a100);
  for (Comparison& comparison : verification.comparisons) {
    if (comparison.verifier.ends_with("@h100")) comparison.verifier.resize(1);
  }
  std::erase_if(verification.comparisons, [](const Comparison& c) { return c.verifier.size() > 1; });
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::consistent);  // a100 might be any GPU's name
  verification.claimed_setups[0].ran = {{"device", "a100"}};
  const ClaimVerdict verdict = verdict_of(verification);
  EXPECT_EQ(verdict.outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict.reason, "reproduced bit for bit on h100; the claimed device a100 was not run");
  // One setup alone: the branch of distance 0.
  std::erase_if(verification.comparisons, [](const Comparison& c) { return c.verifier == "y"; });
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
  EXPECT_EQ(verdict_of(verification).reason, verdict.reason);
}

TEST(ExactVerdict, AnotherSetupOfTheSameNameDecidesNothing) {
  for (const auto& equal : {Index{4}, Index{0}}) {  // reproduced by x, or by y in its place
    Verification verification = under_two_devices({{equal, 4 - equal, 0, 0}, {0, 4, 0, 0}});
    verification.claimed_setups[0].profile = "vllm-0.12";
    EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
    EXPECT_EQ(verdict_of(verification).reason,
              "the verifier's setup differs in profile: vllm-0.12 claimed, vllm-0.11 run");
  }
  // Kernels are what ran, whoever chose it.
  Verification verification = under_two_devices(kHonest);
  verification.setups[0].kernel = "marlin_a";
  EXPECT_THAT(verdict_of(verification).reason, HasSubstr("kernel: (none) claimed, marlin_a run"));
  verification.claimed_setups[0].ran = {{"kernel", "marlin_a"}};
  verification.setups[0].ran = {{"kernel", "marlin_a"}};
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::consistent);
}

// The provider of the README: sells x, and its record says itself that it ran what the auditor calls y.
TEST(ExactVerdict, ARecordThatDescribesAnotherSetupIsRefuted) {
  Verification verification = under_two_devices({{0, 4, 0, 0}, {0, 4, 0, 0}});
  verification.claimed_setups[0].weights_sha256 = "y";
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::refuted);
  EXPECT_EQ(verdict_of(verification).reason, "reproduced bit for bit by y@a100, not by the claimed setup");
  verification.claimed_setups[0].weights_sha256 = "unknown";
  EXPECT_EQ(verdict_of(verification).outcome, Outcome::inconclusive);
}

}  // namespace
}  // namespace assay
