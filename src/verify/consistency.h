// Do repeated runs repeat, and do setups write the same text?
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// The noise floor of n >= 2 runs of one setup over one prompt: the largest mean distance of any ordered pair
// of runs, in each phase. Infinite in decode when two runs generated different tokens. Error (file = setup):
// fewer than two runs, runs of different setups or prompts.
Result<NoiseFloor> noise_floor(std::span<const Generation> runs, DistanceRule rule, Index top_k);

// The larger of two noise floors, phase by phase (a setup checked on several prompts).
NoiseFloor worst(const NoiseFloor& a, const NoiseFloor& b);

// Two setups' texts for one reference.
struct TokenAgreement {
  std::string first;
  std::string second;
  Index reference = 0;
  Index length = 0;  // of the shorter text
  std::optional<Index>
      first_difference;  // index of the first generated token that differs; none: equal texts
};

// Every pair of setups, in setup order, over every reference that both have.
std::vector<TokenAgreement> token_agreement(const Record& record);

}  // namespace assay
