// What a tokenizer.json says, after everything in it has been understood.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tokenizer/added_tokens.h"

namespace assay {

struct TokenizerFile {
  bool normalize_nfc = false;
  std::string split_pattern;
  std::vector<std::string> vocab;  // by id, 0 up without gaps
  std::vector<std::pair<std::string, std::string>> merges;
  bool ignore_merges = false;  // a piece that is a token is not merged but taken
  std::vector<AddedToken> added;
  std::vector<std::int32_t> before;  // ids that the post-processor puts around a text
  std::vector<std::int32_t> after;
};

// Reads the byte-level BPE family (Qwen2 and later, Llama 3). Error: any other structure or
// value, an unknown key, ids that are not 0..n-1 each once, an added token whose id is not the one that
// Hugging Face tokenizers would give it. Merges are checked where they are used.
Result<TokenizerFile> parse_tokenizer_file(std::string_view text, const std::string& file);

}  // namespace assay
