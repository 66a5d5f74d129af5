// How far an honest record lies from its re-execution: for one setup, the device that it ran on and the
// device that re-executes it.
#pragma once

#include <span>
#include <vector>

#include "stats/scale_fit.h"
#include "verify/difference.h"

namespace assay {

// Heavy tails around a location, with a scale that depends on rank, uncertainty and position. The numbers of
// one position are taken as independent, which they are not: the model sharpens a test, and never decides
// how often it errs (verify/calibration.h).
struct NoiseModel {
  ScaleModel level;
  ScaleModel ratio;
  double mean_deviation = 1;  // of the honest positions that it was fitted to: the unit of deviation()
};

// From differences of honest positions. Needs at least one of each kind.
NoiseModel fit_noise(std::span<const PositionDifferences> honest);

// ln of the probability of the position's numbers, each in its bin of the lattice, with every scale times
// `inflation`.
double log_likelihood(const NoiseModel& model, const PositionDifferences& position, double inflation = 1);

// Mean of min(|value - location| / scale, 100) over the position's numbers, divided by mean_deviation: 1 is
// honest.
double deviation(const NoiseModel& model, const PositionDifferences& position);

}  // namespace assay
