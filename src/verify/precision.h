// How many decimals a record's log-probabilities have: fewer than FP32 gives is a weaker record.
#pragma once

#include <optional>
#include <vector>

#include "record/record.h"

namespace assay {

// The least d <= 5 for which every log-probability of the generation is a multiple of 10^-d within one step
// of FP32; none: full precision, or fewer than 8 log-probabilities.
std::optional<int> decimals_of(const Generation& generation);

// Of one of a claim's prompts: its own, or where it has too few numbers those of the whole claim.
std::optional<int> decimals_within(const std::vector<const Generation*>& claim, const Generation& prompt);

}  // namespace assay
