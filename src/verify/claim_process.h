// The e-process of a claim against one hypothesis, over prompts and within them.
#pragma once

#include "stats/e_process.h"
#include "verify/calibration.h"

namespace assay {

// The mean of two e-processes, of log-probabilities and of tokens: valid whatever the dependence of the two.
class ClaimProcess {
 public:
  explicit ClaimProcess(const CalibrationCell& cell);

  // ln of the e-value were the prompt in progress to end with these scores.
  double log_e_value(const PromptScore& current) const;
  void finish(const PromptScore& prompt);
  // ln of the largest e-value of any finished prompt's end; >= 0.
  double log_max() const { return log_max_; }

 private:
  ConformalEProcess logprobs_;
  ConformalEProcess tokens_;
  double log_max_ = 0;
};

// Whether prompts with these scores, taken in order, are refuted at `alpha`, and after how many; 0 = never.
Index prompts_to_refute(const CalibrationCell& cell, std::span<const PromptScore> prompts, double alpha);

// The fewest prompts that could be refuted, were each stranger than all before it; 0 = not with 64.
Index fewest_to_refute(const CalibrationCell& cell, double alpha);

}  // namespace assay
