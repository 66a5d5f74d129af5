// The dialects by name.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/remote/dialect.h"

namespace assay {

// vllm, sglang or openai; `model` is the name that the server knows, `folder` the model's, whose tokenizer.json turns
// the texts of openai into ids. Error: another word; a tokenizer that cannot be read.
Result<std::unique_ptr<Dialect>> dialect_named(const std::string& word, std::string model,
                                               const std::filesystem::path& folder);

}  // namespace assay
