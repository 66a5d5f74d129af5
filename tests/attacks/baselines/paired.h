// A claim's generated positions beside those of its own setup's re-execution.
#pragma once

#include <span>
#include <vector>

#include "attacks/trial.h"

namespace assay::attacks {

struct PairedPosition {
  Index reference = 0;
  TokenId own = 0;
  const PositionScores* claimed = nullptr;  // both outlive nothing but the trial
  const PositionScores* verifier = nullptr;
  double claimed_logprob = 0;  // of the own token, as the next three
  double verifier_logprob = 0;
  std::int32_t claimed_rank = 0;
  std::int32_t verifier_rank = 0;
  bool chosen = false;        // by the claimed setup and sampling
  double difference() const;  // absolute
};

// In the record's order. Fault: no re-execution of the claimed setup.
std::vector<PairedPosition> generated_pairs(const Trial& trial);

const TokenScore* find_score(const PositionScores& list, TokenId id);

// `count` of them, drawn without replacement; all if there are no more. Always the same draw.
std::vector<PairedPosition> challenged(std::vector<PairedPosition> pairs, Index count);

}  // namespace assay::attacks
