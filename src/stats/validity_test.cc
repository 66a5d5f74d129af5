// Ville's bound on simulated truths, and that this check notices processes that break it.
#include <gtest/gtest.h>

#include "stats/binomial.h"
#include "stats/null_paths.h"

namespace assay {
namespace {

constexpr Index kPaths = 5000;

// Whether the crossings are more than alpha explains, at 99.9 %, for any alpha.
bool exceeds(const std::array<Index, kAlphas.size()>& crossed, Index paths) {
  for (std::size_t i = 0; i < kAlphas.size(); ++i) {
    if (rate_interval(crossed[i], paths, 0.998).low > kAlphas[i]) return true;
  }
  return false;
}

// Bets that integrate to 1.3.
class GenerousEProcess {
 public:
  explicit GenerousEProcess(std::vector<double> calibration) : fair_(std::move(calibration)) {}
  double log_e_value(double score) const { return fair_.log_e_value(score) + surplus_ + std::log(1.3); }
  void finish(double score) {
    fair_.finish(score);
    surplus_ += std::log(1.3);
  }
  double log_e() const { return fair_.log_e() + surplus_; }

 private:
  ConformalEProcess fair_;
  double surplus_ = 0;
};

TEST(Validity, ConformalEvidenceAgainstTheTruthIsAsRareAsItSays) {
  for (const ScoreLaw& law : score_laws()) {
    const auto crossed = count_crossings(
        kPaths, 1, [&](SplitMix64& random) { return largest_conformal<ConformalEProcess>(random, law); });
    EXPECT_FALSE(exceeds(crossed, kPaths)) << law.name;
    EXPECT_GT(crossed[0], 0) << law.name << ": paths that never cross test nothing";
  }
}

TEST(Validity, BoundedMeanEvidenceAgainstTheTruthIsAsRareAsItSays) {
  for (const MeanLaw& law : mean_laws()) {
    const auto crossed =
        count_crossings(kPaths, 1, [&](SplitMix64& random) { return largest_bounded_mean(random, law); });
    EXPECT_FALSE(exceeds(crossed, kPaths)) << law.name;
    EXPECT_GT(crossed[0], 0) << law.name << ": paths that never cross test nothing";
  }
}

TEST(Validity, NoticesWhatIsPlanted) {
  constexpr Index kFew = 500;
  const ScoreLaw law = score_laws().front();
  EXPECT_TRUE(exceeds(
      count_crossings(kFew, 1,
                      [&](SplitMix64& random) { return largest_conformal<GenerousEProcess>(random, law); }),
      kFew));
  // Calibrated on another scale.
  EXPECT_TRUE(exceeds(
      count_crossings(
          kFew, 1, [&](SplitMix64& random) { return largest_conformal<ConformalEProcess>(random, law, 3); }),
      kFew));
  // A mean that is below the hypothesis.
  EXPECT_TRUE(exceeds(count_crossings(kFew, 1,
                                      [&](SplitMix64& random) {
                                        return largest_bounded_mean(random, mean_laws().front(), 0.5);
                                      }),
                      kFew));
}

}  // namespace
}  // namespace assay
