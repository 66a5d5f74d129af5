// The e-processes of the noisy tier, over the world of test_world.h: a100 claimed, h100 run, prompts that the calibration has
// not seen.
#include "verify/noisy_evidence.h"

#include <gmock/gmock.h>

#include <cmath>

#include "verify/test_world.h"

namespace assay {
namespace {

const Hypothesis kS0 = {"s0", "a100"};
const Hypothesis kS1 = {"s1", "a100"};
const Hypothesis kS2 = {"s2", "a100"};

ClaimEvidence evidence_of(const Verification& verification) {
  return gather_evidence(verification, {"s0"}, {.calibration = world_calibration()}).front();
}

CandidateEvidence own_evidence(const Verification& verification,
                               const Calibration& calibration = world_calibration()) {
  return noisy(calibration, view_of(verification, "s0"), kS0, 1e-3);
}

// --- Evidence only grows. ---

TEST(NoisyEvidence, StoppingEarlyCanOnlyLowerIt) {
  for (const Hypothesis& truth : {kS0, kS2}) {
    const Verification whole = world_verification(truth, "s0", 6);
    double last = 0;
    for (std::size_t prompts = 1; prompts <= whole.claims.size(); ++prompts) {
      for (std::size_t decode = 0; decode <= kWorldGenerated; ++decode) {
        Verification part = whole;
        part.claims.resize(prompts);
        part.claims.back().decode.resize(decode);
        for (Reexecution& run : part.reexecutions) {
          if (run.reference == part.claims.back().reference) run.tokens.resize(decode);
        }
        const double log_e = own_evidence(part).log_e;
        EXPECT_GE(log_e, last) << prompts << " " << decode;
        last = log_e;
      }
    }
    EXPECT_EQ(last, own_evidence(whole).log_e);
  }
}

// Prompts that share their strangest positions, a chat's first words, have one score. A calibration keeps it
// rounded: one more such prompt is not above them.
TEST(NoisyEvidence, AScoreIsNotAboveItsEquals) {
  constexpr Index kFit = 20;
  ThreadPool pool(1);
  const std::vector<HonestRun> runs = honest_runs(World{}, 60);
  for (Index shared = 0; shared < 8; ++shared) {
    std::vector<HonestRun> alike = runs;
    for (HonestRun& run : alike) {
      if (run.prompt < kFit) continue;
      const auto same = std::find_if(runs.begin(), runs.end(), [&](const HonestRun& other) {
        return other.prompt == shared && other.truth == run.truth && other.verifier == run.verifier;
      });
      run.positions = same->positions;
      run.token_score = same->token_score;
    }
    const CalibrationSplit split{.fit = kFit, .calibration = 36, .prompts_a_claim = 4};
    const auto calibration = calibrate(world_frame(), alike, split, pool, "w");
    ASSERT_TRUE(calibration);
    EXPECT_EQ(own_evidence(world_verification(kS0, "s0", 1, {}, shared), *calibration).log_e, 0) << shared;
  }
}

TEST(NoisyEvidence, TheDecisionComesAfterThePositionsThatItNames) {
  const Verification whole = world_verification(kS2, "s0", 12);
  const CandidateEvidence evidence = own_evidence(whole);
  ASSERT_TRUE(evidence.excluded);
  const Index per_prompt = kWorldPrompt - 1 + kWorldGenerated;
  Verification before = whole;
  before.claims.resize(static_cast<std::size_t>((evidence.decided_after - 1) / per_prompt));
  EXPECT_FALSE(own_evidence(before).excluded);
  Verification with = whole;
  with.claims.resize(before.claims.size() + 1);
  EXPECT_TRUE(own_evidence(with).excluded);
}

TEST(NoisyEvidence, PositionsBeyondTheCalibratedOnesAreDropped) {
  Verification verification = world_verification(kS2, "s0", 8);
  Calibration shorter = world_calibration();
  shorter.decode_positions = 1;
  shorter.tokens = 1;
  Verification cut = verification;
  for (Generation& claim : cut.claims) claim.decode.resize(1);
  for (Reexecution& run : cut.reexecutions) run.tokens.resize(1);
  const CandidateEvidence evidence = own_evidence(verification, shorter);
  EXPECT_EQ(evidence.log_e, own_evidence(cut, shorter).log_e);
  EXPECT_EQ(evidence.decided_after, own_evidence(cut, shorter).decided_after);
  shorter.prefill_positions = shorter.decode_positions = shorter.tokens = 0;
  EXPECT_EQ(own_evidence(verification, shorter).log_e, 0);
  const auto falsehood = against_falsehood(shorter, view_of(verification, "s0"), kS0, 1, 1e-3);
  EXPECT_EQ(falsehood.log_e, 0);
  EXPECT_EQ(falsehood.mean_deviation, 0);
}

TEST(NoisyEvidence, MissingPositionsAndRunsOnlyWeaken) {
  const Verification whole = world_verification(kS2, "s0", 8);
  const double log_e = own_evidence(whole).log_e;
  Verification gaps = whole;
  for (Generation& claim : gaps.claims) {
    claim.prefill.erase(claim.prefill.begin() + 1);
    claim.decode.pop_back();
  }
  // Of one prompt; among several, a lower score may raise the rank of the next.
  Verification one = whole;
  Verification one_gap = gaps;
  one.claims.resize(1);
  one_gap.claims.resize(1);
  EXPECT_LE(own_evidence(one_gap).log_e, own_evidence(one).log_e);
  EXPECT_EQ(evidence_of(gaps).positions, 8 * (kWorldPrompt + kWorldGenerated - 3));
  Verification unrun = whole;
  unrun.reexecutions.erase(unrun.reexecutions.begin(),
                           unrun.reexecutions.begin() + 3 * 7);  // all but the last prompt
  EXPECT_LT(own_evidence(unrun).log_e, log_e);
  Verification honest_gaps = world_verification(kS0, "s0", 12);
  for (Generation& claim : honest_gaps.claims) claim.prefill.clear();
  EXPECT_FALSE(own_evidence(honest_gaps).excluded);
}

TEST(NoisyEvidence, TokensCountWhereTheyWereChosenAsTheCalibrations) {
  Verification verification = world_verification(kS0, "s0", 8);
  for (Reexecution& run : verification.reexecutions) {  // true log-probabilities, tokens of something else
    for (TokenCheck& check : run.tokens) check = {check.position, 7, 3.0F, -5.0F};
  }
  EXPECT_TRUE(own_evidence(verification).excluded);
  verification.claimed_settings.sampling = {
      .sampler = Sampler::exponential_race, .temperature = 1, .seed = 5};
  EXPECT_FALSE(own_evidence(verification).excluded);
  Calibration sampled = world_calibration();
  sampled.settings.sampling = {
      .sampler = Sampler::exponential_race, .temperature = 1, .seed = 9};  // any seed
  EXPECT_TRUE(own_evidence(verification, sampled).excluded);
}

// --- Rounded records. ---

Verification rounded(Verification verification, double unit) {
  for (Generation& claim : verification.claims) {
    for (auto* phase : {&claim.prefill, &claim.decode}) {
      for (PositionScores& position : *phase) {
        for (TokenScore& score : position.scores) {
          score.logprob = static_cast<float>(std::round(static_cast<double>(score.logprob) / unit) * unit);
        }
      }
    }
  }
  return verification;
}

TEST(RoundedRecords, HonestOnesAreNotRefutedAndFarOnesAre) {
  for (const double unit : {0.001, 0.01}) {
    for (Index k = 0; k < 5; ++k) {
      const Verification honest = rounded(world_verification(kS0, "s0", 8, {}, 5000 + 8 * k), unit);
      EXPECT_FALSE(own_evidence(honest).excluded) << unit;
      EXPECT_THAT(find_candidate(evidence_of(honest), {"s0", "h100"})->reason,
                  testing::Not(testing::HasSubstr("other bits")));
      EXPECT_LE(own_evidence(honest).log_e,
                own_evidence(world_verification(kS0, "s0", 8, {}, 5000 + 8 * k)).log_e);
    }
    EXPECT_TRUE(own_evidence(rounded(world_verification(kS2, "s0", 12), unit)).excluded) << unit;
  }
}

// --- Power. ---

TEST(Power, IsHighForFarSetupsAndLowForNearOnes) {
  const Verification verification = world_verification(kS0, "s0", 8);
  const auto all = power_of(world_calibration(), view_of(verification, "s0"), kS0, 1e-3);
  ASSERT_EQ(all.size(), 5U);
  const auto of = [&](const Hypothesis& truth) {
    return *std::find_if(all.begin(), all.end(), [&](const Power& power) { return power.truth == truth; });
  };
  EXPECT_GT(of(kS2).probability, 0.95);
  EXPECT_EQ(of(kS2).more_positions, 0);
  EXPECT_TRUE(of(kS2).reachable);
  EXPECT_LT(of(kS1).probability, 0.5);
  const auto short_claim =
      power_of(world_calibration(), view_of(world_verification(kS0, "s0", 1), "s0"), kS0, 1e-3);
  for (const Power& power : short_claim) {
    EXPECT_EQ(power.probability, 0);  // one prompt cannot reach 1000
    EXPECT_TRUE(power.truth != kS2 || power.more_positions >= 8);
  }
}

}  // namespace
}  // namespace assay
