// Online conformal p-values: how strange is a new score among the scores of honest runs?
#pragma once

#include <vector>

#include "base/index.h"

namespace assay {

// A bag of scores; a large score is strange. Scores may be infinite; NaN is a Fault.
//
// If the calibration scores and those added later are exchangeable, the p-values that successive scores had
// when they were added dominate independent uniform numbers: breaking ties at random would make them exactly
// that (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005, chapter 8), and ties
// counted in full, as here, can only raise them. So products of non-increasing bets on them, each with
// integral at most 1 over [0, 1], stay below a martingale (e_process.h).
class ConformalBag {
 public:
  explicit ConformalBag(std::vector<double> calibration_scores);  // in any order, perhaps none

  // (1 + the number of scores in the bag that are >= `score`) / (size() + 1).
  double p_value(double score) const;

  void add(double score);
  Index size() const { return static_cast<Index>(sorted_.size()); }

 private:
  std::vector<double> sorted_;  // ascending
};

}  // namespace assay
