#include "verify/exact_evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "verify/test_records.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Index kAll = kPhasePositions;
const Hypothesis kOwn = {"x", "a100"};

CandidateEvidence own_replay(const Verification& verification, bool owed = true) {
  return replayed(view_of(verification, "x"), kOwn, "x@a100", owed);
}

TEST(ExactEvidence, EqualBitsRanksAndTokensExcludeNothing) {
  const CandidateEvidence evidence = own_replay(under_both_devices(kHonest));
  EXPECT_EQ(evidence.tier, Tier::exact);
  EXPECT_TRUE(evidence.reproduces);
  EXPECT_FALSE(evidence.excluded);
  EXPECT_FALSE(evidence.first_difference);
  EXPECT_EQ(evidence.tokens.tokens, 2 * kAll);
  EXPECT_EQ(evidence.tokens.chosen, 2 * kAll);
}

// The planted fault: one log-probability of the record has another bit.
TEST(ExactEvidence, OneChangedBitIsFound) {
  Verification verification = under_both_devices(kHonest);
  Reexecution& run = replay_of(verification, "x", "x@a100", 1);
  change_a_bit(run.decode[3]);
  const TokenScore changed = run.decode[3].scores.back();
  compare_again(verification);
  const CandidateEvidence evidence = own_replay(verification);
  EXPECT_FALSE(evidence.reproduces);
  EXPECT_TRUE(evidence.excluded);
  EXPECT_EQ(evidence.log_e, kInfinity);
  EXPECT_EQ(evidence.decided_after, 2 * kAll + kAll + 4);  // ref_0, then ref_1's prompt, then here
  ASSERT_TRUE(evidence.first_difference);
  const ExactDifference& first = *evidence.first_difference;
  EXPECT_EQ(first.reference, 1);
  EXPECT_EQ(first.position, run.decode[3].position);
  EXPECT_TRUE(first.decode);
  EXPECT_EQ(first.id, changed.id);
  EXPECT_EQ(first.replay, changed.logprob);
  EXPECT_EQ(first.record, std::nextafterf(changed.logprob, 0.0F));
  EXPECT_EQ(first.ulps, 1U);

  const auto analysis = analyze_verification(verification, "v");
  ASSERT_TRUE(analysis) << analysis.error().message();
  EXPECT_THAT(analysis->reproduction.claims[0].reproduced_by, IsEmpty());
  EXPECT_EQ(analysis->reproduction.claims[0].pairs[0].first_difference.position, first.position);
  EXPECT_EQ(analysis->verdict.claims[0].outcome, Outcome::refuted);
  EXPECT_EQ(analysis->verdict.claims[0].reason, "its replay gives other bits");
  EXPECT_EQ(analysis->verdict.claims[1].outcome, Outcome::consistent);
}

// The planted fault: the record's log-probabilities are true and its ranks are not.
TEST(ExactEvidence, RanksAreOwedWhereBothSidesHaveThem) {
  Verification verification = under_both_devices(kHonest);
  std::int32_t& rank = verification.claims[0].prefill[2].scores[3].rank;
  rank = 9;
  CandidateEvidence evidence = own_replay(verification);
  EXPECT_TRUE(evidence.excluded);
  EXPECT_EQ(evidence.reason, "its replay gives other ranks");
  EXPECT_EQ(evidence.first_difference->record_rank, 9);
  EXPECT_EQ(evidence.first_difference->replay_rank, 4);
  EXPECT_EQ(evidence.first_difference->ulps, 0U);
  rank = 0;  // not recorded
  EXPECT_FALSE(own_replay(verification).excluded);
}

// The planted fault: true log-probabilities attached to a token that the setup would not have chosen.
TEST(ExactEvidence, TokensAreOwed) {
  Verification verification = under_both_devices(kHonest);
  TokenCheck& check = replay_of(verification, "x", "x@a100", 1).tokens[5];
  check.rank = 2;
  check.margin = 0.25F;
  CandidateEvidence evidence = own_replay(verification);
  EXPECT_TRUE(evidence.excluded);
  EXPECT_FALSE(evidence.reproduces);
  EXPECT_FALSE(evidence.first_difference);
  EXPECT_EQ(evidence.reason, "its replay would not have chosen the token at position " +
                                 std::to_string(check.position) + " of ref_1");
  EXPECT_EQ(evidence.tokens.chosen, 2 * kAll - 1);
  EXPECT_EQ(evidence.tokens.largest_margin, 0.25);
  EXPECT_EQ(evidence.tokens.position, check.position);
  // A tie is not the greedy choice, which is the lowest id among equals.
  check.margin = 0;
  evidence = own_replay(verification);
  EXPECT_TRUE(evidence.excluded);
  EXPECT_EQ(evidence.tokens.ties, 1);
  // A draw chooses any rank; its margin says whether it did.
  verification.claimed_settings.sampling = {.sampler = Sampler::exponential_race, .temperature = 1};
  EXPECT_FALSE(own_replay(verification).excluded);
  EXPECT_TRUE(own_replay(verification).reproduces);
}

TEST(ExactEvidence, WhatIsNotOwedIsSeenButExcludesNothing) {
  Verification verification = under_both_devices({{3, 0, 0, 0}, {0, kAll, 0, 0}});
  const CandidateEvidence evidence = own_replay(verification, false);
  EXPECT_EQ(evidence.tier, Tier::none);
  EXPECT_FALSE(evidence.reproduces);
  EXPECT_FALSE(evidence.excluded);
  EXPECT_EQ(evidence.first_difference->position, 4);
  EXPECT_EQ(evidence.log_e, 0);
}

TEST(ExactEvidence, NothingComparedIsNoReproduction) {
  Verification verification = under_both_devices(kHonest);
  for (Generation& claim : verification.claims) claim.prefill = claim.decode = {};
  EXPECT_FALSE(own_replay(verification).reproduces);
  EXPECT_EQ(own_replay(verification).tier, Tier::exact);  // the tokens were checked
  for (Reexecution& run : verification.reexecutions) run.tokens.clear();
  EXPECT_EQ(own_replay(verification).tier, Tier::none);
}

TEST(Coincidence, EqualBitsAreWorthTheirRarityOncePerPromptAndTheRestByRuns) {
  const Verification verification = under_both_devices(kHonest);
  Coincidence chance{.positions = 100, .equal = 2, .upper_bound = 0.05};
  chance.upper_bound_after_equal = 0.5;
  const double prompt = -std::log(0.05) - (2 * kAll - 1) * std::log(0.5);
  EXPECT_NEAR(log_e_of_equal_bits(view_of(verification, "x"), chance), 2 * prompt, 1e-12);
  EXPECT_EQ(log_e_of_equal_bits(view_of(verification, "nobody"), chance), 0);
}

// The planted fault: a record of own tokens alone, whose bits agree with many setups where they are certain.
TEST(Coincidence, ShortListsAreWorthNothing) {
  Verification verification = under_both_devices(kHonest);
  for (Generation& claim : verification.claims) {
    for (auto* phase : {&claim.prefill, &claim.decode}) {
      for (PositionScores& position : *phase) position.scores.resize(1);
    }
  }
  EXPECT_EQ(log_e_of_equal_bits(view_of(verification, "x"), Coincidence{.upper_bound = 0.05}), 0);
  verification.claims[0].prefill = test_claim("x", 0).prefill;
  const Coincidence chance{.upper_bound = 0.05, .upper_bound_after_equal = 0.5};
  EXPECT_NEAR(log_e_of_equal_bits(view_of(verification, "x"), chance),
              -std::log(0.05) - (kAll - 1) * std::log(0.5), 1e-12);
}

TEST(Coincidence, CountsVerifiersThatDoNotReproduceTheWholeClaim) {
  const Verification verification = under_both_devices(kHonest);
  const Coincidence chance = count_coincidence(view_of(verification, "y"));
  EXPECT_EQ(chance.positions, 3 * 2 * 2 * kAll);  // verifiers, references, phases
  EXPECT_EQ(chance.equal, 2 * 2 * 2);
  EXPECT_EQ(chance.after_equal, chance.equal);
  EXPECT_EQ(chance.equal_after_equal, 2 * 2 * 1);
  EXPECT_GT(chance.upper_bound, 8.0 / 96);
}

// The planted fault: claims beside the true one that agree with nobody, or with everybody but for a bit, to make
// chance look rare or common.
TEST(Coincidence, OtherClaimsOfTheRecordDoNotCount) {
  const Coincidence alone = count_coincidence(view_of(under_both_devices(kHonest), "x"));
  for (const Index equal : {Index{0}, kAll - 1}) {
    Verification verification = under_both_devices(kHonest);
    for (Index reference = 2; reference < 100; ++reference) {
      verification.claims.push_back(test_claim("y", reference));
      for (const assay::Setup& setup : verification.setups) {
        const std::string verifier = verifier_name(setup, verification.setups);
        verification.reexecutions.push_back(test_replay(verification.claims.back(), verifier, equal));
      }
    }
    EXPECT_EQ(gather_evidence(verification, {"x", "y"}, {})[0].coincidence, alone);
  }
}

TEST(Classes, HoldCandidatesWithEqualColumns) {
  Verification verification = under_both_devices({{kAll, kAll, 0, 0}, {0, kAll, 2, 0}});
  const auto evidence = gather_evidence(verification, {"x", "y"}, {});
  using Members = std::vector<Hypothesis>;
  EXPECT_THAT(evidence[0].classes,
              ElementsAre(Members{{"x", "a100"}, {"y", "a100"}}, Members{{"x", "h100"}, {"y", "h100"}}));
  EXPECT_THAT(evidence[1].classes, ElementsAre(Members{{"x", "a100"}, {"y", "h100"}}));
}

}  // namespace
}  // namespace assay
