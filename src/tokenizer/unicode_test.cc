#include "tokenizer/unicode.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <random>

#include "tokenizer/byte_level.h"
#include "tokenizer/normalize.h"
#include "tokenizer/oniguruma_oracle.h"

namespace assay {
namespace {

bool is_surrogate(char32_t code) { return code >= 0xD800 && code <= 0xDFFF; }

std::string shown(char32_t code) { return fmt::format("U+{:04X}", static_cast<std::uint32_t>(code)); }

std::string utf8(std::u32string_view codes) {
  std::string text;
  for (const char32_t code : codes) append_utf8(text, code);
  return text;
}

std::vector<bool> members(const std::string& pattern) {
  static const std::string all = [] {
    std::string text;
    for (char32_t code = 0; code < 0x110000; ++code) {
      if (!is_surrogate(code)) append_utf8(text, code);
    }
    return text;
  }();
  std::vector<bool> result(0x110000);
  for (const auto& [begin, end] : OnigurumaOracle(pattern).matches(all)) {
    for (std::string_view rest(all.data() + begin, end - begin); !rest.empty();) {
      const CodePoint next = first_code_point(rest);
      result[next.code] = true;
      rest.remove_prefix(next.length);
    }
  }
  return result;
}

// All code points that Oniguruma has assigned (Unicode 14 in Debian 12; ours is newer).
TEST(CodePointTable, ClassesAreThoseOfOniguruma) {
  const std::vector<bool> assigned = members(R"(\P{Cn}+)");
  const std::pair<unsigned, std::string> classes[] = {
      {kLetter, R"(\p{L}+)"},
      {kMark, R"(\p{M}+)"},
      {kNumber, R"(\p{N}+)"},
      {kSpace, R"(\s+)"},
      {kWord, R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+)"}};
  for (const auto& [bit, pattern] : classes) {
    const std::vector<bool> expected = members(pattern);
    int compared = 0;
    for (char32_t code = 0; code < 0x110000; ++code) {
      if (!assigned[code] || is_surrogate(code)) continue;
      ++compared;
      ASSERT_EQ((code_point_table()[code] & bit) != 0, expected[code]) << pattern << " " << shown(code);
    }
    EXPECT_GT(compared,
              280'000);  // Unicode 14 has 144,697 characters, and 137,468 code points of private use
  }
}

std::string utf8proc_nfc(const std::string& text) {
  utf8proc_uint8_t* composed = nullptr;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                   static_cast<utf8proc_ssize_t>(text.size()), &composed,
                                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  return {reinterpret_cast<const char*>(composed), static_cast<std::size_t>(length)};
}

// What the quick check may skip: no combining class, its own NFC, and never the second of a composition.
TEST(CodePointTable, InactiveCodePointsDoNothingInNfc) {
  int inactive = 0;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (is_surrogate(code)) continue;
    const auto point = static_cast<utf8proc_int32_t>(code);
    utf8proc_int32_t parts[8] = {};
    int last_class = 0;
    const bool opaque = (code_point_table()[code] & kNfcOpaque) != 0;
    if ((code_point_table()[code] & kNfcActive) == 0 && !opaque) {
      ++inactive;
      ASSERT_EQ(utf8proc_get_property(point)->combining_class, 0) << shown(code);
      ASSERT_EQ(utf8proc_nfc(utf8({&code, 1})), utf8({&code, 1})) << shown(code);
    }
    const auto count = utf8proc_decompose_char(point, parts, 8, UTF8PROC_DECOMPOSE, &last_class);
    for (utf8proc_ssize_t i = 1; i < count && !opaque; ++i) {
      ASSERT_NE(code_point_table()[static_cast<std::size_t>(parts[i])] & kNfcActive, 0) << shown(code);
    }
  }
  EXPECT_GT(inactive, 250'000);
}

TEST(Nfc, IsThatOfUtf8procOnUnicode9) {
  static constexpr char32_t kStarts[] = {0x20,   0x300,   0x1100,  0x3040, 0xAC00,
                                         0xF900, 0x1D150, 0x2F800, 0x900,  0x1E00};
  std::mt19937_64 random(7);
  int changed = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::u32string codes;
    for (std::size_t length = 1 + random() % 8; codes.size() < length;) {
      const auto code = static_cast<char32_t>(kStarts[random() % std::size(kStarts)] + random() % 0xA0);
      if ((code_point_table()[code] & kNfcOpaque) == 0 && code != 0x11A7) codes.push_back(code);
    }
    const std::string text = utf8(codes);
    ASSERT_EQ(nfc(text), utf8proc_nfc(text));
    changed += nfc(text) != text;
    ASSERT_TRUE(!is_surely_nfc(text) || utf8proc_nfc(text) == text);
  }
  EXPECT_GT(changed, 10'000);
}

// Expected values from Hugging Face tokenizers 0.23.3.
TEST(Nfc, LaterCodePointsAreLeftAsTheyAre) {
  EXPECT_EQ(nfc(utf8(U"\U00011935\U00011930")), utf8(U"\U00011935\U00011930"));  // composes since Unicode 13
  EXPECT_EQ(nfc(utf8(U"q\u0301\u07FD\u0323")), utf8(U"q\u0301\u07FD\u0323"));    // a mark since Unicode 11
  EXPECT_EQ(nfc(utf8(U"q\u0301\u0323")), utf8(U"q\u0323\u0301"));
  EXPECT_EQ(nfc(utf8(U"\u07FDe\u0301")), utf8(U"\u07FD\u00E9"));
  EXPECT_EQ(nfc(utf8(U"\uAC00\u11A7e\u0301")), utf8(U"\uAC00\u11A7\u00E9"));  // a bug of utf8proc 2.8
  EXPECT_EQ(nfc(utf8(U"\u0344\u0958\u1100\u1161\u11A8")), utf8(U"\u0308\u0301\u0915\u093C\uAC01"));
}

TEST(Utf8, EveryCodePointReadsBack) {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (is_surrogate(code)) continue;
    const std::string text = utf8({&code, 1});
    ASSERT_EQ(first_code_point(text).code, code);
    ASSERT_EQ(first_code_point(text).length, text.size());
    ASSERT_EQ(last_code_point("a" + text).code, code);
    ASSERT_EQ(well_formed_prefix(text), text.size());
    ASSERT_EQ(well_formed_prefix(text.substr(0, text.size() - 1)), 0U);
    ASSERT_TRUE(text.size() == 1 || first_sequence(text.substr(0, text.size() - 1)).cut_off);
  }
}

// The Unicode Standard, table 3-8 and its neighbours: one U+FFFD for each maximal subpart.
TEST(Utf8, BrokenSequencesBecomeReplacements) {
  const std::pair<std::string, std::u32string> cases[] = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA\uFFFD\uFFFDB"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", U"\uFFFD\uFFFD\uFFFD\uFFFDA"},
      {"a\xF0\x9F\x99", U"a\uFFFD"}};
  for (const auto& [bytes, text] : cases) {
    std::string rest = bytes;
    EXPECT_EQ(take_text(rest, true), utf8(text));
    EXPECT_EQ(rest, "");
  }
  std::string held = "a\xF0\x9F\x99";
  EXPECT_EQ(take_text(held, false), "a");
  EXPECT_EQ(held, "\xF0\x9F\x99");
}

TEST(ByteLevel, AlphabetIsOneToOne) {
  EXPECT_EQ(byte_symbol(' '), "\u0120");
  EXPECT_EQ(byte_symbol('\n'), "\u010A");
  EXPECT_EQ(byte_symbol(0xAD), "\u0143");
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto back = bytes_of_symbols(byte_symbol(static_cast<unsigned char>(byte)));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(*back, std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(bytes_of_symbols("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_symbols("\u0144"), std::nullopt);
}

}  // namespace
}  // namespace assay
