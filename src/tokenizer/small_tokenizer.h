// For tests: a tokenizer.json of the Qwen form with a few merges; the id of a byte's token is the byte.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tokenizer/byte_tokenizer.h"

namespace assay {

// Tokens 256 up are the results of `merges` in order; after them comes <|end|>.
inline Json small_tokenizer(const std::vector<std::pair<std::string, std::string>>& merges) {
  return byte_tokenizer(merges, {"<|end|>"});
}

}  // namespace assay
