// Text and token ids: byte-level BPE as a tokenizer.json of the Qwen2, Qwen3, Qwen3.5 and Llama 3 families
// says it, with the ids that Hugging Face tokenizers 0.23 gives. Not here: chat templates, offsets, pairs of
// texts, training.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"

namespace assay {

// Whether encode() adds what the file's post-processor puts around a text (Llama 3: <|begin_of_text|>; Qwen:
// nothing). Special tokens that stand in the text itself are recognized either way.
enum class SpecialTokens : std::uint8_t { none, add };

// Cheap to copy; copies share what they read. Const methods are thread-safe.
class Tokenizer {
 public:
  // Error: the file cannot be read, or holds any structure that is not understood to the last key; it names
  // the key.
  static Result<Tokenizer> open(const std::filesystem::path& tokenizer_json);
  // The same from a text; `file` names it in errors.
  static Result<Tokenizer> parse(std::string_view json, const std::string& file);

  // Error: the text is not UTF-8 (names the byte where it stops being so); for a split pattern that is not
  // one of the known three, a code point that PCRE2 does not know, or a match beyond its limits.
  Result<std::vector<std::int32_t>> encode(std::string_view text, SpecialTokens special) const;

  // The text of the ids, special tokens included. U+FFFD stands for each broken UTF-8 sequence and for each
  // id that has no token (the gap between a tokenizer and its model's padded vocabulary).
  std::string decode(std::span<const std::int32_t> ids) const;

  // The bytes of one token; nothing for an id that has none.
  std::optional<std::string_view> bytes_of(std::int32_t id) const;

  // The largest id + 1, added tokens included. A model's vocab_size may be larger, not smaller.
  Index vocabulary_size() const;

  // The id of a token as the file writes it ("Ġthe", "<|im_end|>").
  std::optional<std::int32_t> id_of(std::string_view token) const;

  // Whether the file calls it special, as decoders that leave out special tokens ask.
  bool is_special(std::int32_t id) const;

  // The version whose character classes split the text, for manifests.
  static std::string_view unicode_version();

 private:
  struct Parts;
  explicit Tokenizer(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

// Decodes ids as they come; the texts returned, concatenated, are decode() of all the ids. Keeps its own copy
// of the tokenizer.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  // What is now known of the text; bytes of an unfinished UTF-8 sequence are held back.
  std::string feed(std::int32_t id);
  // The end: U+FFFD if a sequence stayed unfinished.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  std::string held_;
};

}  // namespace assay
