// UTF-8 and what the tokenizer must know about code points, in one pinned version of Unicode
// (kUnicodeVersion).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace assay {

// Bits of a code point; unicode_ranges.h is generated with the same numbers.
enum CodePointClass : std::uint8_t {
  kLetter = 1,      // \p{L}
  kMark = 2,        // \p{M}
  kNumber = 4,      // \p{N}
  kSpace = 8,       // White_Space: \s of Oniguruma
  kWord = 16,       // \w of UTS #18
  kNfcActive = 32,  // NFC may change or move it, or join it to the code point before
  kNfcOpaque = 64,  // newer than Unicode 9: Hugging Face's NFC neither changes, moves nor joins it
};

// CodePointClass bits by code point. Surrogates have none.
using CodePointTable = std::array<std::uint8_t, 0x110000>;
const CodePointTable& code_point_table();

// The bytes at the front of a non-empty text: one well-formed sequence, or else the longest prefix of one (at
// least one byte), which Unicode's advice (chapter 3.9, "maximal subpart") replaces by one U+FFFD.
struct Utf8Sequence {
  std::size_t length;
  bool well_formed;
  bool cut_off;  // not well-formed, but would be with more bytes behind the end of the text
};
Utf8Sequence first_sequence(std::string_view text);

// Length of the longest well-formed prefix: text.size() when all of it is UTF-8.
std::size_t well_formed_prefix(std::string_view text);

struct CodePoint {
  char32_t code;
  std::size_t length;  // bytes
};
// The first code point of a non-empty text that is UTF-8.
inline CodePoint first_code_point(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}
// The last code point of a non-empty text that is UTF-8.
CodePoint last_code_point(std::string_view text);

void append_utf8(std::string& text, char32_t code);

}  // namespace assay
