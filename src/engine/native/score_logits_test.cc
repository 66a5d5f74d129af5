#include "engine/native/score_logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"

namespace assay {
namespace {

const Ops& ops() { return ops_for(fastest_isa(), Dtype::fp16); }

TEST(ScoreLogits, RanksByLogitThenById) {
  const std::vector<float> logits = {1.0F, 3.0F, 2.0F, 3.0F, -5.0F};
  const TokenId asked[] = {4, 0};
  const auto scores = score_logits(ops(), logits, asked, 2);
  ASSERT_EQ(scores.size(), 4U);
  const TokenId ids[] = {1, 3, 0, 4};
  const std::int32_t ranks[] = {1, 2, 4, 5};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(scores[i].id, ids[i]);
    EXPECT_EQ(scores[i].rank, ranks[i]);
  }
  EXPECT_EQ(most_likely(logits), 1);
}

TEST(ScoreLogits, AskedIdInsideTheTopAppearsOnce) {
  const std::vector<float> logits = {0.5F, 0.25F, 0.0F};
  const TokenId asked[] = {1, 1};
  EXPECT_EQ(score_logits(ops(), logits, asked, 3).size(), 3U);
  EXPECT_EQ(score_logits(ops(), logits, asked, 0).size(), 1U);
}

TEST(ScoreLogits, LogprobsAreLogSoftmaxWithinTheirErrorBound) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0F, 4.0F);
  std::vector<float> logits(4096);
  for (float& x : logits) x = normal(random);
  std::vector<TokenId> all;
  for (TokenId id = 0; id < 4096; ++id) all.push_back(id);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  double total = 0;
  for (const TokenScore& score : score_logits(ops(), logits, all, 0)) {
    const double expected = static_cast<double>(logits[static_cast<std::size_t>(score.id)]) - std::log(sum);
    // x - max and the final difference round once each (values below 64: half an ULP is 2^-19); the sum of
    // 4096 terms in 32 lanes of 128 and a tree of 5 has relative error below 134 * 2^-24 and exp, log add
    // under 2^-22 each.
    EXPECT_NEAR(score.logprob, expected, 2 * 0x1p-19 + 134 * 0x1p-24 + 2 * 0x1p-22);
    total += std::exp(static_cast<double>(score.logprob));
  }
  EXPECT_NEAR(total, 1.0, 1e-4);
}

TEST(ScoreLogits, AnIdOutsideTheVocabularyIsAFault) {
  const std::vector<float> logits = {0.0F, 1.0F};
  const TokenId asked[] = {2};
  EXPECT_THROW(score_logits(ops(), logits, asked, 1), Fault);
}

}  // namespace
}  // namespace assay
