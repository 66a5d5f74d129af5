#include "verify/noise_model.h"

#include <gtest/gtest.h>

#include "verify/test_noise.h"

namespace assay {
namespace {

double mean_deviation(const NoiseModel& model, const std::vector<PositionDifferences>& positions) {
  double sum = 0;
  for (const PositionDifferences& position : positions) sum += deviation(model, position);
  return sum / static_cast<double>(positions.size());
}

// Standard error of ln scale: sqrt((nu + 3) / (2 nu n)) = 0.034 of 750 levels and 0.017 of 3000 kept ratios;
// the slope by rank has the deviation 0.28 of ln(2 .. 4).
TEST(NoiseModel, RecoversThePlantedScale) {
  const NoiseModel planted = planted_noise(0.02, 0.05);
  const NoiseModel fitted = fit_noise(draw_positions(planted, 750, 1));
  const auto scale = [](const ScaleModel& model, double log_rank) {
    return model.log_scale(std::array{log_rank, -1.0, std::log(300.0), 0.5});
  };
  EXPECT_NEAR(scale(fitted.level, 0), std::log(0.02), 4 * 0.034);
  for (const int rank : {2, 3, 4}) {
    EXPECT_NEAR(scale(fitted.ratio, std::log(rank)), std::log(0.05) + 0.5 * std::log(rank), 4 * 0.034)
        << rank;
  }
  EXPECT_NEAR(fitted.ratio.coefficients[1], 0.5, 4 * 0.023 / 0.28);
  EXPECT_NEAR(fitted.level.location, 0, 4 * 0.02 / std::sqrt(750));
  EXPECT_EQ(fitted.level.nu, 4);
}

TEST(NoiseModel, DeviationIsOneOnHonestData) {
  const NoiseModel planted = planted_noise(0.02, 0.05);
  const auto seen = draw_positions(planted, 400, 2);
  const NoiseModel fitted = fit_noise(seen);
  EXPECT_NEAR(mean_deviation(fitted, seen), 1, 1e-12);
  // Fresh: a position's deviation has a standard deviation of about 0.6; two samples of 400, and the fit.
  EXPECT_NEAR(mean_deviation(fitted, draw_positions(planted, 400, 3)), 1,
              4 * 0.6 * std::sqrt(2.0 / 400) + 0.05);
  EXPECT_NEAR(mean_deviation(fitted, draw_positions(planted, 400, 4, 3)), 3, 0.5);
}

TEST(NoiseModel, OneWildNumberCountsAHundredScalesAtMost) {
  const NoiseModel model = planted_noise(0.02, 0.05);
  auto wild = draw_positions(model, 1, 5).front();
  for (Difference& difference : wild.values) difference.value = 0;
  wild.values.back().value = 1e6;
  EXPECT_EQ(deviation(model, wild), 100.0 / static_cast<double>(wild.values.size()));
}

TEST(NoiseModel, InflationMovesLikelihoodFromSmallToLargeDifferences) {
  const NoiseModel model = planted_noise(0.02, 0.05);
  auto position = draw_positions(model, 1, 6).front();
  const auto at = [&](double scales, double inflation) {
    for (Difference& difference : position.values) {
      const bool level = difference.kind == DifferenceKind::level;
      difference.value =
          scales * std::exp((level ? model.level : model.ratio).log_scale(difference.covariates.values()));
    }
    return log_likelihood(model, position, inflation);
  };
  for (const double inflation : {4.0, 32.0}) {
    EXPECT_LT(at(0, inflation), at(0, 1) - 2);
    EXPECT_LT(at(1, inflation), at(1, 1));
    EXPECT_GT(at(40, inflation), at(40, 1) + 2);
  }
  EXPECT_GT(at(0, 1), at(1, 1));
  EXPECT_GT(at(1, 1), at(5, 1));
}

// Devices that agree bit for bit: the fit stands on its floor, and a difference is then all but impossible.
TEST(NoiseModel, NoNoiseAtAllFits) {
  auto equal = draw_positions(planted_noise(0.02, 0.05), 100, 7);
  for (PositionDifferences& position : equal) {
    for (Difference& difference : position.values) difference.value = 0;
  }
  const NoiseModel fitted = fit_noise(equal);
  EXPECT_GT(log_likelihood(fitted, equal.front()), -0.2);
  const double honest = log_likelihood(fitted, equal.front());
  equal.front().values[1].value = 0x1p-6;
  EXPECT_LT(log_likelihood(fitted, equal.front()), honest - 5);
  EXPECT_GT(deviation(fitted, equal.front()), 10);
}

}  // namespace
}  // namespace assay
