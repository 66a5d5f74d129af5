#include "verify/difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace assay {
namespace {

// Lists at position 4 of a prompt: (id, log-probability), ranks by place.
PositionScores list(std::initializer_list<std::pair<TokenId, float>> scores) {
  PositionScores made{.position = 4, .scores = {}};
  for (const auto& [id, logprob] : scores) {
    made.scores.push_back({id, logprob, static_cast<std::int32_t>(made.scores.size()) + 1});
  }
  return made;
}

PositionDifferences differences(const PositionScores& record, const PositionScores& verifier,
                                Index top_k = 3) {
  Generation claim{
      .setup = "x", .reference = 0, .prompt_ids = {}, .generated_ids = {}, .prefill = {record}, .decode = {}};
  Reexecution run{.claimed = "x", .verifier = "x", .reference = 0, .prefill = {verifier}, .decode = {}};
  const auto all = differences_of(claim, run, top_k);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? PositionDifferences{} : all.front();
}

TEST(Difference, TheAnchorIsTheVerifiersLikeliestIdOfBothLists) {
  const auto at =
      differences(list({{1, -0.5F}, {2, -1.0F}, {3, -2.0F}}), list({{2, -0.75F}, {1, -0.875F}, {3, -2.5F}}));
  ASSERT_EQ(at.values.size(), 3U);
  EXPECT_EQ(at.values[0].kind, DifferenceKind::level);
  EXPECT_EQ(at.values[0].value, -1.0 + 0.75);  // of id 2, though the record has 1 first
  EXPECT_EQ(at.values[1].kind, DifferenceKind::ratio);
  EXPECT_EQ(at.values[1].value, (-0.5 + 1.0) - (-0.875 + 0.75));  // of id 1
  EXPECT_EQ(at.values[2].value, (-2.0 + 1.0) - (-2.5 + 0.75));    // of id 3
  EXPECT_EQ(at.position, 4);
  EXPECT_FALSE(at.decode);
}

TEST(Difference, RatiosCancelTheSoftmaxConstant) {
  const auto record = list({{1, -0.5F}, {2, -1.0F}, {3, -2.0F}});
  const auto near = differences(record, list({{1, -0.625F}, {2, -0.75F}, {3, -2.5F}}));
  const auto far = differences(record, list({{1, -4.625F}, {2, -4.75F}, {3, -6.5F}}));
  EXPECT_EQ(far.values[0].value, near.values[0].value + 4);
  for (const std::size_t i : {1, 2}) EXPECT_EQ(far.values[i].value, near.values[i].value);
}

TEST(Difference, CovariatesAreTheVerifiersOwn) {
  const auto verifier = list({{1, -0.625F}, {2, -0.75F}, {3, -2.5F}});
  const auto at = differences(list({{1, -0.5F}, {2, -1.0F}, {3, -2.0F}}), verifier);
  const auto other = differences(list({{3, -3.0F}, {2, -3.5F}, {1, -4.0F}}), verifier);
  for (const std::size_t i : {0, 1, 2}) {
    EXPECT_EQ(at.values[i].covariates.values(), other.values[i].covariates.values());
    EXPECT_EQ(at.values[i].covariates.log_rank, std::log(static_cast<double>(i + 1)));
    EXPECT_EQ(at.values[i].covariates.log_position, std::log(4));
    EXPECT_NEAR(at.values[i].covariates.log_uncertainty, std::log(1 - std::exp(-0.625)), 1e-5);
  }
}

TEST(Difference, StepsAreThoseOfTheListsGaps) {
  const float constant = -3.1415927F;  // a softmax constant, rounded as FP32 does
  const auto on = [&](double step) {
    return list({{1, constant},
                 {2, constant - static_cast<float>(3 * step)},
                 {3, constant - static_cast<float>(16 * step)}});
  };
  for (const double step : {0x1p-3, 0x1p-6, 0x1p-8}) {
    const auto at = differences(on(step), on(0x1p-5));
    for (const std::size_t i : {1, 2}) {
      EXPECT_EQ(at.values[i].step, step);  // of all gaps of the list, not of one that is coarser by chance
      EXPECT_EQ(at.values[i].verifier_step, 0x1p-5);
    }
    EXPECT_EQ(at.values[0].step, 0x1p-12);
  }
}

TEST(LatticeStep, FindsThePowersOfTwoOfFp16Logits) {
  for (int exponent = -3; exponent >= -12; --exponent) {
    const double step = std::ldexp(1.0, exponent);
    for (const int odd : {1, 7, 33}) {
      EXPECT_EQ(lattice_step(odd * step, -1), step);
      EXPECT_EQ(lattice_step(-odd * step + 0x1p-23, -8), step) << "within the error of two FP32 numbers";
    }
  }
  EXPECT_EQ(lattice_step(0, -1), 0x1p-3);
  EXPECT_EQ(lattice_step(4, -1), 0x1p-3);
  EXPECT_EQ(lattice_step(0.1, -1), 0x1p-12);
  EXPECT_EQ(lattice_step(0.25 + 0x1p-20, -1), 0x1p-12) << "off by more than the error";
}

// The planted fault: the record leaves out an id that the verifier finds likely, and is true in the rest.
TEST(Difference, AnIdThatTheRecordHidesIsSeen) {
  const auto verifier = list({{1, -0.5F}, {7, -1.0F}, {2, -2.0F}, {3, -3.0F}});
  const auto hidden = differences(list({{1, -0.5F}, {2, -2.0F}, {3, -3.0F}}), verifier);
  ASSERT_EQ(hidden.values.size(), 4U);
  EXPECT_EQ(hidden.values[1].value,
            -3.0 + 1.0);  // at most the least that is listed, and -1 under the verifier
  EXPECT_EQ(hidden.values[1].covariates.log_rank, std::log(2));
  // Below the least listed nothing is hidden; beyond the verifier's top k nothing is known.
  const auto honest = differences(list({{1, -0.5F}, {7, -1.0F}, {2, -2.0F}}), verifier);
  EXPECT_EQ(honest.values.size(), 3U);
  EXPECT_EQ(differences(list({{1, -0.5F}, {2, -2.0F}, {3, -3.0F}}), verifier, 1).values.size(), 3U);
}

TEST(Difference, AnOwnTokenOutsideTheTopKDoesNotLowerWhatIsHidden) {
  // The own token 9 comes after the top 2; the least of the first two is -2.
  const auto at = differences(list({{1, -0.5F}, {2, -2.0F}, {9, -20.0F}}),
                              list({{1, -0.5F}, {7, -1.0F}, {2, -2.0F}, {9, -20.0F}}), 2);
  ASSERT_EQ(at.values.size(), 4U);
  EXPECT_EQ(at.values[1].value, -2.0 + 1.0);
}

TEST(Difference, BitEqualityIsOfEveryIdOfTheClaim) {
  const auto record = list({{1, -0.5F}, {2, -2.0F}, {3, -3.0F}});
  EXPECT_TRUE(differences(record, record).bit_equal);
  EXPECT_TRUE(differences(record, list({{1, -0.5F}, {2, -2.0F}, {3, -3.0F}, {8, -4.0F}})).bit_equal);
  EXPECT_FALSE(differences(record, list({{1, -0.5F}, {2, -2.0F}, {3, std::nextafterf(-3.0F, 0)}})).bit_equal);
}

TEST(Difference, PositionsWithoutACommonIdOrAReexecutionAreLeftOut) {
  Generation claim{
      .setup = "x", .reference = 0, .prompt_ids = {}, .generated_ids = {}, .prefill = {}, .decode = {}};
  Reexecution run{.claimed = "x", .verifier = "x", .reference = 0, .prefill = {}, .decode = {}};
  for (const Index position : {1, 2, 3}) {
    claim.prefill.push_back(list({{1, -1.0F}}));
    claim.prefill.back().position = position;
    run.prefill.push_back(position == 2 ? list({{5, -1.0F}}) : claim.prefill.back());
    run.prefill.back().position = position;
  }
  run.prefill.pop_back();
  claim.decode = {list({{1, -1.0F}})};
  run.decode = claim.decode;
  const auto all = differences_of(claim, run, 3);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].position, 1);
  EXPECT_TRUE(all[1].decode);
  EXPECT_EQ(all[1].values[0].covariates.decode, 1);
}

}  // namespace
}  // namespace assay
