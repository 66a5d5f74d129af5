#include "stats/conformal.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace assay {

ConformalBag::ConformalBag(std::vector<double> calibration_scores) : sorted_(std::move(calibration_scores)) {
  for (const double score : sorted_) require(!std::isnan(score), "a calibration score is NaN");
  std::sort(sorted_.begin(), sorted_.end());
}

double ConformalBag::p_value(double score) const {
  require(!std::isnan(score), "a score is NaN");
  const auto first = std::lower_bound(sorted_.begin(), sorted_.end(), score);
  return static_cast<double>(1 + (sorted_.end() - first)) / static_cast<double>(size() + 1);
}

void ConformalBag::add(double score) {
  require(!std::isnan(score), "a score is NaN");
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), score), score);
}

}  // namespace assay
