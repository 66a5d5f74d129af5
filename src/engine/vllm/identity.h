// What a vLLM server says of itself.
#pragma once

#include <string>

#include "engine/remote/dialect.h"

namespace assay {

// Of Probe::identity: --logprobs-mode, where the server tells it.
inline constexpr const char* kLogprobsMode = "logprobs_mode";
inline constexpr const char* kProcessedLogprobs = "processed_logprobs";  // after the temperature

// Fills identity (model, model_root, max_model_len, version, logprobs_mode, info: what the server tells) and
// context_length. Error: no answer to /v1/models, a list without `model` (names those in it), a --logprobs-mode whose
// numbers are no log-probabilities.
Result<Probe> read_identity(const Ask& ask, const std::string& model);

}  // namespace assay
