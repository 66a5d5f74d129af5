// The dialects by name.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/remote/dialect.h"

namespace assay {

// vllm, sglang or openai; `model` is the name that the server knows, `folder` the model's, whose tokenizer.json turns
// the texts of openai into ids and whose config.json says how many sglang has. Error: another word; one that cannot be read.
Result<std::unique_ptr<Dialect>> dialect_named(const std::string& word, std::string model,
                                               const std::filesystem::path& folder);

}  // namespace assay
