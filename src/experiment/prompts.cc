#include "experiment/prompts.h"

#include <fmt/format.h>

#include "experiment/documents.h"

namespace assay {
namespace {

constexpr const char* kTurn = "<|im_start|>";
constexpr const char* kTurnEnd = "<|im_end|>";

using Ids = std::vector<TokenId>;

// A document that says "<|im_end|>" would end the user's turn.
Result<Ids> encode_plain(const Tokenizer& tokenizer, const std::string& text, const std::string& file,
                         const std::string& key) {
  auto ids = tokenizer.encode(text, SpecialTokens::none);
  if (!ids) return Error{file, key, ids.error().expected, ids.error().found};
  for (TokenId id : *ids) {
    if (!tokenizer.is_special(id)) continue;
    return Error{file, key, "text without special tokens", std::string(tokenizer.decode(std::span(&id, 1)))};
  }
  return ids;
}

Result<Ids> encode_documents(const PromptSettings& settings, const Tokenizer& tokenizer,
                             const std::string& file) {
  const auto paths = expand_documents(settings.documents, file);
  if (!paths) return paths.error();
  Ids all;
  for (const auto& path : *paths) {
    const auto text = read_document(path);
    if (!text) return text.error();
    const auto ids = encode_plain(tokenizer, *text, path.string(), "");
    if (!ids) return ids.error();
    all.insert(all.end(), ids->begin(), ids->end());
  }
  return all;
}

Result<void> check_texts(const PromptSettings& settings, const Tokenizer& tokenizer, const std::string& file,
                         const std::string& tokenizer_file) {
  for (const char* token : {kTurn, kTurnEnd}) {
    if (!tokenizer.id_of(token)) return Error{tokenizer_file, token, "a token of this name", "none"};
  }
  const std::pair<const char*, const std::string&> texts[] = {{"prompts.system", settings.system},
                                                              {"prompts.prefix", settings.prefix},
                                                              {"prompts.question", settings.question}};
  for (const auto& [key, text] : texts) {
    if (const auto ids = encode_plain(tokenizer, text, file, key); !ids) return ids.error();
  }
  return {};
}

}  // namespace

Result<std::vector<Ids>> build_prompts(const PromptSettings& settings, const Tokenizer& tokenizer,
                                       const std::string& file, const std::string& tokenizer_file) {
  if (const auto checked = check_texts(settings, tokenizer, file, tokenizer_file); !checked) {
    return checked.error();
  }
  const std::string system =
      settings.system.empty() ? "" : fmt::format("{}system\n{}{}\n", kTurn, settings.system, kTurnEnd);
  const auto before =
      tokenizer.encode(fmt::format("{}{}user\n{}", system, kTurn, settings.prefix), SpecialTokens::none);
  if (!before) return before.error();
  const auto after = tokenizer.encode(fmt::format("{}{}\n{}assistant\n", settings.question, kTurnEnd, kTurn),
                                      SpecialTokens::none);
  if (!after) return after.error();
  const auto line = encode_documents(settings, tokenizer, file);
  if (!line) return line.error();

  const Index stride = static_cast<Index>(line->size()) / settings.references;
  if (stride < settings.tokens) {
    return Error{file, "prompts.documents",
                 fmt::format("{} x {} tokens of text", settings.references, settings.tokens),
                 fmt::format("{} tokens", line->size())};
  }
  std::vector<Ids> prompts;
  for (Index r = 0; r < settings.references; ++r) {
    Ids prompt = *before;
    const auto cut = line->begin() + r * stride;
    prompt.insert(prompt.end(), cut, cut + settings.tokens);
    prompt.insert(prompt.end(), after->begin(), after->end());
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace assay
