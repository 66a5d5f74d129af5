// From rows of logits in device memory to what a record asks of them (engine/native/score_logits.h), without a
// copy of the logits to the host.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/gpu.h"
#include "number/dtype.h"

namespace assay {

inline constexpr Index kMostTopTokens = 32;

struct RowSummary {
  float max;  // Ops::log_sum_exp
  float log_sum;
  std::int32_t first_not_finite;  // column of the first infinity or NaN, or -1
};

// logits [rows, vocabulary] bits of `dtype`; out [rows].
void summarize_rows(Dtype dtype, const std::uint16_t* logits, Index rows, Index vocabulary, RowSummary* out,
                    cudaStream_t stream);

// The k largest of each row, in order; of equal logits the lower id first. ids and values are [rows, k]. k is 1 to
// kMostTopTokens and at most the vocabulary.
void top_tokens(Dtype dtype, const std::uint16_t* logits, Index rows, Index vocabulary, Index k,
                std::int32_t* ids, float* values, cudaStream_t stream);

// For i < count: values[i] is the logit of id ids[i] in row row_of[i], ranks[i] = 1 + how many ids of that row are
// better (a larger logit, or an equal one and a lower id).
void rank_tokens(Dtype dtype, const std::uint16_t* logits, Index vocabulary, const std::int32_t* row_of,
                 const std::int32_t* ids, Index count, float* values, std::int32_t* ranks,
                 cudaStream_t stream);

}  // namespace assay
