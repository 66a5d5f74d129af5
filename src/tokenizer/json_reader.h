// First step of reading a tokenizer.json: the large parts stream into vectors, the rest becomes a tree.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace assay {

// The tree alone cannot hold a real vocabulary: finding a key in an assay::Json is linear, so filling an
// object of 150,000 keys is quadratic.
struct TokenizerJson {
  Json tree;  // without model.vocab and model.merges
  std::vector<std::pair<std::string, std::int32_t>>
      vocab;  // model.vocab: token text, id; in the file's order
  std::vector<std::pair<std::string, std::string>> merges;  // model.merges in order of rank
};

// Merges are pairs ["a", "b"] or strings "a b". Error: not JSON, a key twice in one object of the tree,
// nesting deeper than 64, a missing vocab or merges, an id that is not an int32 >= 0, a merge of another
// form.
Result<TokenizerJson> read_tokenizer_json(std::string_view text, const std::string& file);

}  // namespace assay
