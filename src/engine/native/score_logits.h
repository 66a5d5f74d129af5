// From one row of logits to the scores that were asked for.
#pragma once

#include <span>
#include <vector>

#include "kernels/ops.h"
#include "record/record.h"

namespace assay {

// The union of `ids` and the `top_k` best, in order of rank. Rank 1 is the largest logit; equal logits rank
// by id. logprob = (x - max) - log(sum of exp(x - max)), as kernels/ops.h orders it.
std::vector<TokenScore> score_logits(const Ops& ops, std::span<const float> logits,
                                     std::span<const TokenId> ids, Index top_k);

// The id of rank 1.
TokenId most_likely(std::span<const float> logits);

}  // namespace assay
