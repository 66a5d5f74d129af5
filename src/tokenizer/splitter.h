// Cuts a text into the pieces that byte-pair merges may not cross, as a `Split` pre-tokenizer with behavior
// "Isolated" does: each match of a pattern is a piece, and so is what lies between two matches.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace assay {

inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen35Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Const methods are thread-safe.
class Splitter {
 public:
  virtual ~Splitter() = default;

  // The non-empty pieces of a UTF-8 text, as views into it; concatenated they are the text. Error: only from
  // pcre2_splitter, see there.
  virtual Result<std::vector<std::string_view>> split(std::string_view text) const = 0;
};

// A hand-written splitter for one of the three patterns above (compared as strings), with the classes of
// code_point_table(); null for any other pattern.
std::unique_ptr<Splitter> known_splitter(std::string_view pattern);

// Any pattern of the subset that to_pcre2 knows. `file` names the tokenizer in errors. Error: another
// pattern. Its split() fails on code points that are newer than this machine's PCRE2, and where PCRE2 reaches
// its match limit.
Result<std::unique_ptr<Splitter>> pcre2_splitter(std::string_view pattern, const std::string& file);

// Rewrites a pattern of Oniguruma's Ruby syntax for PCRE2 so that both match the same. Error: a construct
// that the two read differently, or that nobody has compared (anchors, \w, \d, \h, lookbehind, `{n}+`, nested
// classes, ...).
Result<std::string> to_pcre2(std::string_view pattern, const std::string& file);

}  // namespace assay
