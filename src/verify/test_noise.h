// Differences with a planted noise, for the tests of verify.
#pragma once

#include <cmath>
#include <vector>

#include "stats/test_draws.h"
#include "verify/noise_model.h"

namespace assay {

// Scales in nats at rank 1; a ratio's grows with its rank.
inline NoiseModel planted_noise(double level, double ratio) {
  const auto model = [](double scale, double by_rank) {
    return ScaleModel{
        .location = 0, .coefficients = {std::log(scale), by_rank, 0, 0, 0}, .nu = 4, .floor = 1e-6};
  };
  return {.level = model(level, 0), .ratio = model(ratio, 0.5), .mean_deviation = 1};
}

// A level and three ratios at one position, with every scale times `inflation`, on a lattice of 2^-12.
inline PositionDifferences draw_position(const NoiseModel& noise, Index position, SplitMix64& random,
                                         double inflation = 1) {
  PositionDifferences made{
      .position = position, .decode = position % 2 == 0, .bit_equal = false, .values = {}};
  const double uncertainty = std::log(draw_unit(random));
  for (int rank = 1; rank <= 4; ++rank) {
    const bool level = rank == 1;
    const ScaleModel& model = level ? noise.level : noise.ratio;
    Difference value{.kind = level ? DifferenceKind::level : DifferenceKind::ratio,
                     .value = 0,
                     .step = 0x1p-12,
                     .verifier_step = 0x1p-12,
                     .covariates = {.log_rank = std::log(rank),
                                    .log_uncertainty = uncertainty,
                                    .log_position = std::log(static_cast<double>(position)),
                                    .decode = made.decode ? 1.0 : 0.0}};
    const double scale = inflation * std::exp(model.log_scale(value.covariates.values()));
    value.value =
        std::round((model.location + scale * draw_student(random, model.nu)) / value.step) * value.step;
    made.values.push_back(value);
  }
  return made;
}

inline std::vector<PositionDifferences> draw_positions(const NoiseModel& noise, Index count,
                                                       std::uint64_t seed, double inflation = 1) {
  SplitMix64 random(seed);
  std::vector<PositionDifferences> all;
  for (Index i = 1; i <= count; ++i) all.push_back(draw_position(noise, i, random, inflation));
  return all;
}

}  // namespace assay
