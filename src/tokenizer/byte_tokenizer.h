// A tokenizer.json of the Qwen form around the 256 bytes: the id of a byte's token is the byte.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace assay {

// An entry of added_tokens: a special token that is looked for in the raw text.
Json added_token_json(std::int32_t id, const std::string& content);

// Ids 256 up are the results of `merges` in order, after them come the special tokens.
Json byte_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges,
                    const std::vector<std::string>& special);

}  // namespace assay
