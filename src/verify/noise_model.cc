#include "verify/noise_model.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/student.h"

namespace assay {
namespace {

constexpr double kLeastScale = 1e-5;  // nats; a few steps of FP32 at the size of a log-probability
constexpr double kMostDeviation = 100;
constexpr std::size_t kMostRows = 3000;

const ScaleModel& model_of(const NoiseModel& model, DifferenceKind kind) {
  return kind == DifferenceKind::level ? model.level : model.ratio;
}

// Every n-th row, so that no part of the prompts is preferred.
std::vector<ScaleRow> thinned(const std::vector<ScaleRow>& rows) {
  const std::size_t stride = (rows.size() + kMostRows - 1) / kMostRows;
  std::vector<ScaleRow> kept;
  for (std::size_t i = 0; i < rows.size(); i += stride) kept.push_back(rows[i]);
  return kept;
}

ScaleModel fit(std::span<const PositionDifferences> honest, DifferenceKind kind) {
  std::vector<ScaleRow> rows;
  for (const PositionDifferences& position : honest) {
    for (const Difference& difference : position.values) {
      if (difference.kind != kind) continue;
      rows.push_back({difference.value, difference.step, difference.covariates.values()});
    }
  }
  return fit_scale(thinned(rows), {.covariates = kMaxCovariates, .floor = kLeastScale});
}

double scale_of(const ScaleModel& model, const Difference& difference) {
  const auto values = difference.covariates.values();
  return std::exp(model.log_scale(values));
}

double mean_deviation_of(const NoiseModel& model, const PositionDifferences& position) {
  double sum = 0;
  for (const Difference& difference : position.values) {
    const ScaleModel& scale = model_of(model, difference.kind);
    sum +=
        std::min(std::fabs(difference.value - scale.location) / scale_of(scale, difference), kMostDeviation);
  }
  return sum / static_cast<double>(position.values.size());
}

}  // namespace

NoiseModel fit_noise(std::span<const PositionDifferences> honest) {
  NoiseModel model{.level = fit(honest, DifferenceKind::level), .ratio = fit(honest, DifferenceKind::ratio)};
  double sum = 0;
  for (const PositionDifferences& position : honest) sum += mean_deviation_of(model, position);
  // Devices that agree bit for bit leave no deviation; any unit would do.
  model.mean_deviation = std::max(sum / static_cast<double>(honest.size()), 1e-3);
  return model;
}

double log_likelihood(const NoiseModel& model, const PositionDifferences& position, double inflation) {
  double sum = 0;
  for (const Difference& difference : position.values) {
    const ScaleModel& scale = model_of(model, difference.kind);
    sum += student_log_probability(difference.value - scale.location, inflation * scale_of(scale, difference),
                                   scale.nu, difference.step);
  }
  return sum;
}

double deviation(const NoiseModel& model, const PositionDifferences& position) {
  return mean_deviation_of(model, position) / model.mean_deviation;
}

}  // namespace assay
