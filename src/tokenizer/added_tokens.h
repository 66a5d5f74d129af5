// Tokens that are cut out of a text before it is split: `added_tokens` of a tokenizer.json.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the spaces before it too
  bool rstrip = false;       // and those after it
  bool normalized = false;   // looked for in the normalized text, not in the raw one
  bool special = false;
};

// A part of a text: an added token, or text between two.
struct Section {
  std::optional<std::int32_t> id;
  std::string_view text;
};

// Finds a set of added tokens. Const methods are thread-safe.
class AddedTokens {
 public:
  // The contents must be different and not empty.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // The parts of a UTF-8 text in order, leftmost match first, the longest of those; text parts are not empty.
  // A match refused by single_word is passed over whole, as Hugging Face tokenizers does.
  std::vector<Section> cut(std::string_view text) const;

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::vector<AddedToken> tokens_;                           // longest first
  std::array<std::vector<std::size_t>, 256> by_first_byte_;  // indices into tokens_
};

}  // namespace assay
