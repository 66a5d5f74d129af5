#include "verify/reproduction.h"

#include <gmock/gmock.h>

#include "verify/analysis.h"

namespace assay {
namespace {

using testing::ElementsAre;
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

}  // namespace
}  // namespace assay
