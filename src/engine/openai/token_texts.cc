#include "engine/openai/token_texts.h"

#include <utility>

#include "engine/remote/told_scores.h"

namespace assay {

TokenTexts::TokenTexts(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {
  const auto count = static_cast<TokenId>(tokenizer_.vocabulary_size());
  ids_.reserve(static_cast<std::size_t>(count));
  for (TokenId id = 0; id < count; ++id) {
    const auto bytes = tokenizer_.bytes_of(id);
    if (!bytes || bytes->empty()) continue;
    const auto [entry, is_new] = ids_.emplace(*bytes, id);
    if (!is_new) entry->second = kUnknownId;
  }
}

std::optional<TokenId> TokenTexts::id_of_bytes(std::string_view bytes) const {
  const auto found = ids_.find(bytes);
  if (found == ids_.end() || found->second == kUnknownId) return std::nullopt;
  return found->second;
}

std::optional<TokenId> TokenTexts::id_of_text(std::string_view text) const {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  if (text.find(kReplacement) != std::string_view::npos) return std::nullopt;
  return id_of_bytes(text);
}

}  // namespace assay
