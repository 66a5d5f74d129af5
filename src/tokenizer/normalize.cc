#include "tokenizer/normalize.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace assay {
namespace {

// Stands between Hangul vowels and finals but is neither. utf8proc 2.8 composes it away: U+AC00 U+11A7 loses
// U+11A7.
constexpr char32_t kBeforeFinals = 0x11A7;

void append_normalized(std::string& result, std::string_view text) {
  if (is_surely_nfc(text)) {
    result += text;
    return;
  }
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  require(length >= 0, "utf8proc normalizes every UTF-8 text");
  result.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(length));
}

}  // namespace

bool is_surely_nfc(std::string_view text) {
  const CodePointTable& classes = code_point_table();
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0xCC) {  // below U+0300 nothing is active
      at += static_cast<unsigned char>(text[at]) < 0x80 ? 1 : 2;
      continue;
    }
    const CodePoint next = first_code_point(text.substr(at));
    if ((classes[next.code] & kNfcActive) != 0) return false;
    at += next.length;
  }
  return true;
}

std::string nfc(std::string_view text) {
  if (is_surely_nfc(text)) return std::string(text);
  const CodePointTable& classes = code_point_table();
  std::string result;
  std::size_t begin = 0;  // of the code points since the last that nothing crosses
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint next = first_code_point(text.substr(at));
    if ((classes[next.code] & kNfcOpaque) != 0 || next.code == kBeforeFinals) {
      append_normalized(result, text.substr(begin, at - begin));
      result += text.substr(at, next.length);
      begin = at + next.length;
    }
    at += next.length;
  }
  append_normalized(result, text.substr(begin));
  return result;
}

}  // namespace assay
