// vLLM: /v1/completions for scoring and generating, /inference/v1/generate for forced decoding.
#pragma once

#include <memory>
#include <string>

#include "engine/remote/dialect.h"

namespace assay {

// `model` is the name that the server knows. Token ids outside what a server lists are absent from results. What was
// computed for one request is not used for another (cache_salt), so that GenerateRequest::afresh changes nothing.
std::unique_ptr<Dialect> make_vllm_dialect(std::string model);

}  // namespace assay
