#include "tokenizer/byte_level.h"

#include <array>
#include <cstdint>

#include "tokenizer/unicode.h"

namespace assay {
namespace {

constexpr std::size_t kHighestSymbol = 0x143;
constexpr std::int16_t kNoByte = -1;

struct Alphabet {
  std::array<std::string, 256> symbols;
  std::array<std::int16_t, kHighestSymbol + 1> bytes;  // by code point

  Alphabet() {
    bytes.fill(kNoByte);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
      const char32_t code = printable ? byte : next++;
      append_utf8(symbols[byte], code);
      bytes[code] = static_cast<std::int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet table;
  return table;
}

}  // namespace

std::string_view byte_symbol(unsigned char byte) { return alphabet().symbols[byte]; }

std::optional<std::string> bytes_of_symbols(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const CodePoint next = first_code_point(token);
    if (next.code > kHighestSymbol || alphabet().bytes[next.code] == kNoByte) return std::nullopt;
    bytes.push_back(static_cast<char>(alphabet().bytes[next.code]));
    token.remove_prefix(next.length);
  }
  return bytes;
}

std::string take_text(std::string& bytes, bool at_end) {
  std::string text;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::size_t good = well_formed_prefix(rest);
    text += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty()) break;
    const Utf8Sequence broken = first_sequence(rest);
    if (broken.cut_off && !at_end) break;
    append_utf8(text, 0xFFFD);
    rest.remove_prefix(broken.length);
  }
  bytes.erase(0, bytes.size() - rest.size());
  return text;
}

}  // namespace assay
