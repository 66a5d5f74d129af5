// What a calibration's test prompts show of the verdict: how often honest claims are refuted, and how soon
// wrong ones are.
#pragma once

#include "stats/binomial.h"
#include "verify/calibration.h"

namespace assay {

// Honest claims made of the test prompts by repeated splits: each time, `bag` of a cell's test prompts are the
// calibration and `prompts_a_claim` others the claim.
struct HonestRate {
  Index claims = 0;
  Index refuted = 0;
  Index prompts = 0;       // that all of them are made of, in each cell
  Interval interval;       // 95 %, claims taken as independent
  double upper_bound = 1;  // 95 %, one-sided
};

// `claims` of them, spread evenly over the cells. Needs bag + prompts_a_claim test prompts.
HonestRate honest_rate(const Calibration& calibration, double alpha, Index claims, Index bag,
                       Index prompts_a_claim, std::uint64_t seed);

// Claims of what `truth` made, in groups of the test prompts, one after another.
struct Detection {
  Index claims = 0;
  Index refuted = 0;
  Index median_prompts = 0;  // of all claims, until refuted; 0 = half of them are not
};

// The noisy tier.
Detection detect_by_noise(const CalibrationCell& cell, const TruthScores& truth, double alpha,
                          Index prompts_a_claim);

// The exact tier, where the cell's own device replayed: single prompts, refuted by one bit. `median_prompts` is
// in positions here.
Detection detect_by_bits(const TruthScores& truth);

}  // namespace assay
