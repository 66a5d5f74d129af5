// A slice of bench/verdict_bench, on the calibration that the attacks are judged with.
#include "verify/error_rates.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "verify/calibration_file.h"

namespace assay {
namespace {

const Calibration& calibration() {
  static const Calibration read = *read_calibration(ASSAY_SOURCE_DIR "/tests/attacks/calibration.json");
  return read;
}

bool same_weights(const Hypothesis& a, const Hypothesis& b) {
  return a.setup.substr(0, a.setup.find('_')) == b.setup.substr(0, b.setup.find('_'));
}

TEST(ErrorRates, HonestClaimsAreHardlyEverRefuted) {
  const HonestRate rate = honest_rate(calibration(), 0.05, 2000, 32, 4, 1);
  EXPECT_EQ(rate.claims, 2000);
  EXPECT_LE(rate.upper_bound, 0.05);
  for (const CalibrationCell& cell : calibration().cells) {
    for (const TruthScores& truth : cell.test) {
      if (truth.truth != cell.hypothesis) continue;
      EXPECT_EQ(detect_by_noise(cell, truth, 1e-3, 4).refuted, 0) << name_of(truth.truth);
    }
  }
}

// The planted fault: another setup's scores in the place of the honest ones.
TEST(ErrorRates, SwappedScoresAreSeen) {
  Calibration swapped = calibration();
  for (CalibrationCell& cell : swapped.cells) {
    for (TruthScores& truth : cell.test) {
      if (truth.truth != cell.hypothesis) continue;
      const auto far = std::find_if(cell.test.begin(), cell.test.end(), [&](const TruthScores& other) {
        return !same_weights(other.truth, cell.hypothesis);
      });
      std::copy_n(far->prompts.begin(), 4, truth.prompts.begin());
    }
  }
  for (const CalibrationCell& cell : swapped.cells) {
    for (const TruthScores& truth : cell.test) {
      if (truth.truth != cell.hypothesis) continue;
      EXPECT_EQ(detect_by_noise(cell, truth, 1e-3, 4).refuted, 1) << name_of(truth.truth);
    }
  }
}

TEST(ErrorRates, OtherWeightsAreAlwaysFound) {
  for (const CalibrationCell& cell : calibration().cells) {
    for (const TruthScores& truth : cell.test) {
      if (same_weights(truth.truth, cell.hypothesis)) continue;
      const Detection found = detect_by_noise(cell, truth, 1e-3, 4);
      EXPECT_EQ(found.refuted, found.claims) << name_of(truth.truth) << " as " << name_of(cell.hypothesis);
      EXPECT_LE(found.median_prompts, 4);
    }
  }
}

TEST(ErrorRates, BitsDecideAtTheFirstPositionThatDiffers) {
  const TruthScores truth{{"a", "a100"}, {{0, 0, 3}, {0, 0, 1}, {0, 0, 0}}};
  const Detection found = detect_by_bits(truth);
  EXPECT_EQ(found.refuted, 2);
  EXPECT_EQ(found.claims, 3);
  EXPECT_EQ(found.median_prompts, 3);
}

}  // namespace
}  // namespace assay
