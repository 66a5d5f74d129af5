// From a token's text back to its id, where only one token has it.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>

#include "record/record.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// Keeps the tokenizer whose bytes it points into. Made once: it looks at every token.
class TokenTexts {
 public:
  explicit TokenTexts(Tokenizer tokenizer);

  const Tokenizer& tokenizer() const { return tokenizer_; }

  // The one token with these bytes; none: no token has them, or several.
  std::optional<TokenId> id_of_bytes(std::string_view bytes) const;
  // Of a text that a server decoded: U+FFFD in it may stand for any broken sequence, so there is none.
  std::optional<TokenId> id_of_text(std::string_view text) const;

 private:
  Tokenizer tokenizer_;
  std::unordered_map<std::string_view, TokenId> ids_;
};

}  // namespace assay
