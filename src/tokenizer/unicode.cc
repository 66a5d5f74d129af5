#include "tokenizer/unicode.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "tokenizer/unicode_ranges.h"

namespace assay {

const CodePointTable& code_point_table() {
  static const std::unique_ptr<const CodePointTable> table = [] {
    auto filled = std::make_unique<CodePointTable>();
    for (std::size_t i = 0; i < std::size(kUnicodeRanges); ++i) {
      const std::size_t begin = kUnicodeRanges[i] >> 8;
      const std::size_t end = i + 1 < std::size(kUnicodeRanges) ? kUnicodeRanges[i + 1] >> 8 : filled->size();
      std::fill(filled->begin() + static_cast<std::ptrdiff_t>(begin),
                filled->begin() + static_cast<std::ptrdiff_t>(end),
                static_cast<std::uint8_t>(kUnicodeRanges[i] & 0xFF));
    }
    return filled;
  }();
  return *table;
}

// Unicode table 3-7: the second byte is narrower after E0, ED, F0 and F4; every other trailing byte
// is 80..BF.
Utf8Sequence first_sequence(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, true, false};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, false};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const unsigned lowest = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned highest = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {i, false, true};
    if (byte(i) < (i == 1 ? lowest : 0x80) || byte(i) > (i == 1 ? highest : 0xBF)) return {i, false, false};
  }
  return {length, true, false};
}

std::size_t well_formed_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Sequence sequence = first_sequence(text.substr(at));
    if (!sequence.well_formed) break;
    at += sequence.length;
  }
  return at;
}

CodePoint last_code_point(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return first_code_point(text.substr(at));
}

void append_utf8(std::string& text, char32_t code) {
  const auto append = [&text](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return append(code);
  if (code >= 0x10000) {
    append(0xF0 | code >> 18);
    append(0x80 | (code >> 12 & 0x3F));
  } else if (code >= 0x800) {
    append(0xE0 | code >> 12);
  }
  append(code >= 0x800 ? 0x80 | (code >> 6 & 0x3F) : 0xC0 | code >> 6);
  append(0x80 | (code & 0x3F));
}

}  // namespace assay
