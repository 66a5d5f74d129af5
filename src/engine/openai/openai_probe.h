// What an OpenAI-style server can do and says of itself.
#pragma once

#include <string>

#include "base/error.h"
#include "engine/openai/token_texts.h"
#include "engine/remote/dialect.h"

namespace assay {

// Asks tiny questions in `dialect`'s words. Error: no way of asking that gives log-probabilities, or no such model.
Result<Probe> probe_openai(const Dialect& dialect, const std::string& model, const TokenTexts& texts,
                           const Ask& ask);

}  // namespace assay
