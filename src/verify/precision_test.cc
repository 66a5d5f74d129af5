#include "verify/precision.h"

#include <gtest/gtest.h>

#include <cmath>

#include "stats/draw.h"

namespace assay {
namespace {

// `count` log-probabilities between -9 and 0, rounded to so many decimals; -1 = not.
Generation rounded(int decimals, Index count, std::uint64_t seed = 1) {
  SplitMix64 random(seed);
  Generation made{
      .setup = "x", .reference = 0, .prompt_ids = {}, .generated_ids = {}, .prefill = {}, .decode = {}};
  for (Index i = 0; i < count; ++i) {
    double value = -9 * draw_unit(random);
    if (decimals >= 0) value = std::round(value * std::pow(10, decimals)) / std::pow(10, decimals);
    auto& phase = i % 2 == 0 ? made.prefill : made.decode;
    phase.push_back({.position = i + 1, .scores = {{3, static_cast<float>(value), 1}}});
  }
  return made;
}

TEST(Decimals, RoundedRecordsAreRecognised) {
  for (int decimals = 0; decimals <= 5; ++decimals) {
    EXPECT_EQ(decimals_of(rounded(decimals, 40)), decimals);
  }
}

TEST(Decimals, Fp32IsNot) {
  EXPECT_EQ(decimals_of(rounded(6, 40)), std::nullopt);
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    EXPECT_EQ(decimals_of(rounded(-1, 12, seed)), std::nullopt) << seed;
  }
}

TEST(Decimals, OneNumberOfFullPrecisionDecides) {
  Generation almost = rounded(2, 40);
  almost.decode.back().scores.back().logprob = -0.123456789F;
  EXPECT_EQ(decimals_of(almost), std::nullopt);
}

TEST(Decimals, AFewNumbersSayNothing) {
  EXPECT_EQ(decimals_of(rounded(2, 7)), std::nullopt);
  EXPECT_EQ(decimals_of(rounded(2, 8)), 2);
  EXPECT_EQ(decimals_of(rounded(2, 0)), std::nullopt);
}

}  // namespace
}  // namespace assay
