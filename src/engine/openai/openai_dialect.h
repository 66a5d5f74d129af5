// Any OpenAI-style POST /v1/completions with log-probabilities, above all as a recorder.
#pragma once

#include <memory>
#include <string>

#include "engine/remote/dialect.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// `model`: what the server calls it. `tokenizer`: the model's, for servers that take or give texts. A Generation
// whose ids cannot be told from its texts comes back without ids, and with {"dropped": why} in `served`.
std::unique_ptr<Dialect> make_openai_dialect(std::string model, Tokenizer tokenizer);

}  // namespace assay
