// The evidence of one prompt against one hypothesis, position by position: ln of a likelihood ratio whose
// running maximum is the prompt's score (verify/calibration.h says how often an honest prompt reaches it).
#pragma once

#include <span>
#include <vector>

#include "verify/noise_model.h"

namespace assay {

// One setup's re-execution of the prompt's claim, and the noise that it would have if that setup were the
// true one.
struct Explanation {
  std::span<const PositionDifferences> positions;
  const NoiseModel* noise = nullptr;
};

// After each position of `own`, the largest value so far (0 at the start) of
//
//   ln [ (1/weights) sum over a of P_a(differences to a, so far) ] - ln P_own(differences to own, so far)
//
// where a runs over `rivals` and over `own` with every scale times 4 and times 32: a setup that nobody named.
// `weights` >= rivals + 2: leaving out a rival makes the ratio smaller, never larger. A position that a rival
// does not have counts for it as for `own`.
std::vector<double> score_path(const Explanation& own, std::span<const Explanation> rivals, double weights);

// The same for a record whose numbers were rounded to multiples of `rounding`: only the nameless rivals, over
// differences made smaller by `rounding` (two numbers can each be off by half of it), which can only lower
// the ratio.
std::vector<double> rounded_score_path(const Explanation& own, double weights, double rounding);

// The score of a prompt's tokens: the sum over generated tokens of min(margin, 1). After each token.
std::vector<double> token_score_path(std::span<const TokenCheck> tokens);

// As a calibration keeps it, to three decimals: the file stays small. Whatever is ranked among kept scores is
// rounded alike: prompts that share their strangest positions tie, and must not come out above each other.
double kept_score(double score);

}  // namespace assay
