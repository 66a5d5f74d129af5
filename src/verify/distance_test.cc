#include "verify/distance.h"

#include <gtest/gtest.h>

#include <cmath>

#include "record/sample.h"
#include "verify/compare.h"
#include "verify/consistency.h"

namespace assay {
namespace {

using Scores = std::vector<TokenScore>;

TEST(PositionDistance, IsTheL2NormOverSharedIds) {
  const Scores a = {{1, -1.0F, 1}, {2, -2.0F, 2}, {3, -9.0F, 3}};
  const Scores b = {{2, -5.0F, 1}, {1, -5.0F, 2}, {4, -6.0F, 3}};
  EXPECT_EQ(position_distance(a, b, 0), 5.0);  // 3-4-5: ids 1 and 2
  EXPECT_EQ(position_distance(a, b, 1), 4.0);  // id 1 alone
  EXPECT_EQ(position_distance(a, a, 0), 0.0);
  EXPECT_EQ(position_distance(a, Scores{{7, -1.0F, 1}}, 0), kNothingShared);
  EXPECT_EQ(position_distance(a, Scores{}, 0), kNothingShared);
}

// One position before the last prompt token; the own token 13 is outside the top 2 in both runs.
Generation run_with(Scores scores) {
  return {.setup = "a",
          .reference = 0,
          .prompt_ids = {11, 12, 13},
          .generated_ids = {21},
          .prefill = {{2, std::move(scores)}},
          .decode = {}};
}

// The seed cuts a's list, own token included, to top_k ids, and b's to top_k and the own token: not
// symmetric.
TEST(ComparePhase, SeedRuleCutsTheFirstListOnly) {
  const Generation a = run_with({{7, -1.0F, 1}, {8, -2.0F, 2}, {13, -20.0F, 0}});
  const Generation b = run_with({{8, -1.0F, 1}, {7, -5.0F, 2}, {13, -23.0F, 0}});
  const auto mean = [](const Generation& x, const Generation& y, DistanceRule rule) {
    return compare_phase(prefill_view(x), prefill_view(y), rule, 2).mean;
  };
  EXPECT_EQ(mean(a, b, DistanceRule::seed), 5.0);                  // ids 13 and 7: 3 and 4
  EXPECT_EQ(mean(b, a, DistanceRule::seed), std::sqrt(10.0));      // ids 13 and 8: 3 and 1
  EXPECT_EQ(mean(a, b, DistanceRule::every_id), std::sqrt(26.0));  // 13, 7 and 8
  EXPECT_EQ(mean(b, a, DistanceRule::every_id), std::sqrt(26.0));
}

// Ids that were scored on request have a rank beyond the top k: the seed's lists would not hold them.
TEST(ComparePhase, SeedRuleIgnoresIdsBeyondTheTopK) {
  const Generation a = run_with({{13, -1.0F, 1}, {8, -2.0F, 2}});
  const Generation b = run_with({{13, -4.0F, 1}, {7, -5.0F, 2}, {8, -6.0F, 3}});
  EXPECT_EQ(compare_phase(prefill_view(a), prefill_view(b), DistanceRule::seed, 2).mean, 3.0);
  EXPECT_EQ(compare_phase(prefill_view(a), prefill_view(b), DistanceRule::every_id, 2).mean, 5.0);
}

TEST(ComparePhase, CountsPositionsAndEqualBits) {
  const Generation a = sample_generation("a", 0, 0.0F);
  Generation b = a;
  b.prefill[1].scores[0].logprob = 0.0F;  // from -0: the same value, other bits
  const PhaseComparison expected = {
      .mean = 0, .max = 0, .positions = 2, .bit_equal = 1, .first_difference = 3};
  EXPECT_EQ(compare_phase(prefill_view(a), prefill_view(b), DistanceRule::every_id, 2), expected);
}

// After a different token the texts are about different things; the seed compares them all the same.
TEST(ComparePhase, EveryIdRuleStopsWhereTheTextsPart) {
  const Generation a = sample_generation("a", 0, 0.0F);
  Generation b = a;
  b.generated_ids[1] = 99;  // position 5; its own scores follow equal tokens, those at 6 do not
  EXPECT_EQ(compare_phase(decode_view(a), decode_view(b), DistanceRule::every_id, 2).positions, 1);
  EXPECT_EQ(compare_phase(decode_view(a), decode_view(b), DistanceRule::seed, 2).positions, 2);
  b.generated_ids[0] = 99;
  EXPECT_EQ(compare_phase(decode_view(a), decode_view(b), DistanceRule::every_id, 2).mean, kNothingShared);
}

TEST(ComparePhase, MatchesPositionsFromTheEndUnderTheSeedRule) {
  const Generation a = sample_generation("a", 0, 0.0F);
  Generation b = a;
  b.generated_ids = {20, 21, 22, 23};
  for (PositionScores& position : b.decode) ++position.position;
  const PhaseComparison expected = {.mean = 0, .max = 0, .positions = 2, .bit_equal = 2};
  EXPECT_EQ(compare_phase(decode_view(a), decode_view(b), DistanceRule::seed, 2), expected);
}

TEST(CompareAll, TellsDistancesBitsAndRanks) {
  const Record record = sample_record();
  const auto comparisons = compare_all(record, sample_verification(), DistanceRule::every_id);
  ASSERT_TRUE(comparisons) << comparisons.error().message();
  ASSERT_EQ(comparisons->size(), 8U);
  const Comparison& diagonal = comparisons->front();
  EXPECT_EQ(diagonal.prefill, (PhaseComparison{.mean = 0, .max = 0, .positions = 2, .bit_equal = 2}));
  EXPECT_EQ(diagonal.ranked_tokens, 2);
  EXPECT_EQ(diagonal.top_tokens, 2);
  const Comparison& shifted = comparisons->at(4);  // awq under gptq: ids 7 and 13 moved by 0.25 each
  EXPECT_EQ(shifted.verifier, "gptq");
  EXPECT_DOUBLE_EQ(shifted.prefill.max, 0.25 * std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(shifted.prefill.mean, 0.125 * std::sqrt(2.0));
  EXPECT_EQ(shifted.prefill.bit_equal, 1);
  EXPECT_EQ(shifted.decode.mean, 0.25);
}

TEST(CompareAll, RefusesWhatTheVerifierDidNotScore) {
  const Record record = sample_record();
  const auto complaint = [&](auto edit) {
    Verification verification = sample_verification();
    edit(verification.reexecutions[1]);
    const auto compared = compare_all(record, verification, DistanceRule::every_id);
    return compared ? "no complaint" : compared.error().message();
  };
  EXPECT_EQ(complaint([](Reexecution& run) { run.prefill[0].scores.pop_back(); }),
            "awq/ref_1 under awq: prefill: expected the score of id 13 at position 2, found none");
  EXPECT_EQ(complaint([](Reexecution& run) { run.decode.clear(); }),
            "awq/ref_1 under awq: decode: expected scores at position 5, found none");
  EXPECT_EQ(complaint([](Reexecution& run) { run.reference = 9; }),
            "run: awq/ref_9: expected a generation to compare with, found none");
}

TEST(CompareAll, OfAServerThatScoresItsTopKOnlyTheOwnTokensAreOwed) {
  const Record record = sample_record();
  const auto complaint = [&](auto edit) {
    Verification verification = sample_verification();
    for (assay::Setup& setup : verification.setups) setup.ran = {{"ids_scored", "top_k"}};
    edit(verification.reexecutions[1]);
    const auto compared = compare_all(record, verification, DistanceRule::every_id);
    return compared ? "no complaint" : compared.error().message();
  };
  EXPECT_EQ(complaint([](Reexecution& run) {
              std::erase_if(run.prefill[0].scores, [](auto& s) { return s.id == 8; });
            }),
            "no complaint");
  EXPECT_EQ(complaint([](Reexecution& run) { run.prefill[0].scores.pop_back(); }),
            "awq/ref_1 under awq: prefill: expected the score of id 13 at position 2, found none");
  EXPECT_EQ(complaint([](Reexecution& run) {
              std::erase_if(run.decode[0].scores, [](auto& s) { return s.id == 22; });
            }),
            "awq/ref_1 under awq: decode: expected the score of id 22 at position 5, found none");
}

TEST(CompareAll, OfAServerThatScoresEveryIdInPrefillReplayTheyAreOwedThere) {
  const Record record = sample_record();
  const auto complaint = [&](const std::string& replay, const std::string& limit) {
    Verification verification = sample_verification();
    verification.replay = replay;
    for (assay::Setup& setup : verification.setups)
      setup.ran = {{"ids_scored", "all_in_prefill"}, {"top_k_limit", limit}};
    std::erase_if(verification.reexecutions[1].prefill[0].scores, [](auto& s) { return s.id == 8; });
    const auto compared = compare_all(record, verification, DistanceRule::every_id);
    return compared ? "no complaint" : compared.error().message();
  };
  const std::string missing =
      "awq/ref_1 under awq: prefill: expected the score of id 8 at position 2, found none";
  EXPECT_EQ(complaint("prefill", "20"), missing);
  EXPECT_EQ(complaint("prefill", "none"), missing);
  EXPECT_EQ(complaint("prefill", "0"), "no complaint") << "more ids than the server scores at a position";
  EXPECT_EQ(complaint("decode", "20"), "no complaint");
}

TEST(CompareAll, OwedIdsFollowWhatRan) {
  const auto owed = [](assay::Environment ran, const char* replay) {
    assay::Setup setup;
    setup.ran = std::move(ran);
    return owed_ids(setup, replay);
  };
  EXPECT_EQ(owed({}, "decode"), kEveryId) << "of records without ids_scored, and of the native engine";
  EXPECT_EQ(owed({{"ids_scored", "top_k"}, {"top_k_limit", "20"}}, "prefill"), 0);
  EXPECT_EQ(owed({{"ids_scored", "all_in_prefill"}, {"top_k_limit", "20"}}, "prefill"), 20);
  EXPECT_EQ(owed({{"ids_scored", "all_in_prefill"}, {"top_k_limit", "none"}}, "prefill"), kEveryId);
  EXPECT_EQ(owed({{"ids_scored", "all_in_prefill"}, {"top_k_limit", "none"}}, "decode"), 0);
  EXPECT_EQ(owed({{"ids_scored", "all_in_prefill"}, {"top_k_limit", "none"}}, ""), 0);
  EXPECT_EQ(owed({{"ids_scored", "all_in_prefill"}}, "prefill"), 0);
}

TEST(CompareRecords, NeedsTheSamePrompts) {
  const Record a = sample_record();
  Record b = a;
  const auto same = compare_records(a, "a", b, "b", DistanceRule::every_id);
  ASSERT_TRUE(same) << same.error().message();
  EXPECT_EQ(same->comparisons.size(), 8U);
  EXPECT_EQ(same->comparisons[0].prefill.bit_equal, 2);
  b.generations[2].prompt_ids[0] = 5;
  EXPECT_EQ(compare_records(a, "a", b, "b", DistanceRule::every_id).error().message(),
            "b: gptq/ref_0.prompt_ids: expected the prompt of awq/ref_0 in a, found another prompt");
  b = a;
  b.generations.pop_back();
  EXPECT_EQ(compare_records(a, "a", b, "b", DistanceRule::every_id).error().message(),
            "b: gptq/ref_1: expected the references of a, found none");
}

TEST(NoiseFloor, IsTheLargestDistanceOfAnyTwoRuns) {
  const Generation a = sample_generation("a", 0, 0.0F);
  const Generation b = sample_generation("a", 0, 0.25F);
  const auto floor = noise_floor(std::vector{a, a, b}, DistanceRule::every_id, 2);
  ASSERT_TRUE(floor);
  EXPECT_EQ(floor->runs, 3);
  EXPECT_DOUBLE_EQ(floor->prefill, 0.125 * std::sqrt(2.0));
  EXPECT_EQ(floor->decode, 0.25);
  EXPECT_EQ(*noise_floor(std::vector{a, a}, DistanceRule::every_id, 2),
            (NoiseFloor{.setup = "a", .runs = 2}));
  Generation other_text = a;
  other_text.generated_ids[2] = 99;
  EXPECT_EQ(noise_floor(std::vector{a, other_text}, DistanceRule::every_id, 2)->decode, kNothingShared);
  EXPECT_FALSE(noise_floor(std::vector{a}, DistanceRule::every_id, 2));
  EXPECT_FALSE(noise_floor(std::vector{a, sample_generation("b", 0, 0)}, DistanceRule::every_id, 2));
  const NoiseFloor both = worst({.setup = "a", .prefill = 1, .decode = 2, .runs = 3},
                                {.setup = "a", .prefill = 0, .decode = 4, .runs = 2});
  EXPECT_EQ(both, (NoiseFloor{.setup = "a", .prefill = 1, .decode = 4, .runs = 2}));
}

TEST(TokenAgreement, FindsTheFirstDifference) {
  Record record = sample_record();
  record.generations[3].generated_ids = {21, 99, 23};
  const auto agreements = token_agreement(record);
  ASSERT_EQ(agreements.size(), 2U);
  EXPECT_FALSE(agreements[0].first_difference);
  EXPECT_EQ(agreements[1].first_difference, 1);
  record.generations[3].generated_ids = {21, 22};  // a text that ends earlier differs where it ends
  EXPECT_EQ(token_agreement(record)[1].first_difference, 2);
}

}  // namespace
}  // namespace assay
