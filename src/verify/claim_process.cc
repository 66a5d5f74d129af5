#include "verify/claim_process.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace assay {

ClaimProcess::ClaimProcess(const CalibrationCell& cell)
    : logprobs_(cell.logprob_scores), tokens_(cell.token_scores) {}

double ClaimProcess::log_e_value(const PromptScore& current) const {
  return log_mean_exp(
      std::array{logprobs_.log_e_value(current.logprobs), tokens_.log_e_value(current.tokens)});
}

void ClaimProcess::finish(const PromptScore& prompt) {
  logprobs_.finish(prompt.logprobs);
  tokens_.finish(prompt.tokens);
  log_max_ = std::max(log_max_, log_mean_exp(std::array{logprobs_.log_e(), tokens_.log_e()}));
}

Index prompts_to_refute(const CalibrationCell& cell, std::span<const PromptScore> prompts, double alpha) {
  ClaimProcess process(cell);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    process.finish(prompts[i]);
    if (process.log_max() >= -std::log(alpha)) return static_cast<Index>(i) + 1;
  }
  return 0;
}

Index fewest_to_refute(const CalibrationCell& cell, double alpha) {
  std::vector<PromptScore> prompts;
  for (int i = 1; i <= 64; ++i) prompts.push_back({.logprobs = 1e9 * i});
  return prompts_to_refute(cell, prompts, alpha);
}

}  // namespace assay
