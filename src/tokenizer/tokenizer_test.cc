#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tokenizer/bpe.h"
#include "tokenizer/normalize.h"
#include "tokenizer/small_tokenizer.h"
#include "tokenizer/unicode.h"

namespace assay {
namespace {

using Ids = std::vector<std::int32_t>;
using testing::ElementsAre;

Tokenizer parsed(const Json& json) {
  auto tokenizer = Tokenizer::parse(json.dump(), "t.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  return *tokenizer;
}

Ids encoded(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, SpecialTokens::none).value();
}

// Properties run on the same cases each time; RC_PARAMS in the environment overrides.
template <class Property>
bool holds(const char* description, Property property) {
  ::setenv("RC_PARAMS", "seed=20 max_success=1000", 0);
  return rc::check(description, property);
}

// Texts that mix ASCII, spaces, marks and any code point.
std::string any_text() {
  const auto in = [](char32_t begin, char32_t end) { return rc::gen::inRange<std::uint32_t>(begin, end); };
  const auto code = rc::gen::oneOf(in(0x20, 0x7F), in(0x20, 0x7F), in(0x09, 0x0E), in(0x300, 0x370),
                                   in(0x1100, 0x1200), in(0xA0, 0xD800), in(0xE000, 0x110000));
  std::string text;
  for (const std::uint32_t one : *rc::gen::container<std::vector<std::uint32_t>>(code))
    append_utf8(text, one);
  return text;
}

const Tokenizer& tiny() {
  static const Tokenizer tokenizer =
      Tokenizer::open(std::string(ASSAY_SOURCE_DIR) + "/models/tiny-qwen3/tokenizer.json").value();
  return tokenizer;
}

TEST(Tokenizer, DecodingUndoesEncoding) {
  EXPECT_TRUE(holds("decode(encode(x)) = NFC(x)", [] {
    const std::string text = any_text();
    RC_ASSERT(tiny().decode(encoded(tiny(), text)) == nfc(text));
  }));
}

// The pattern ends a piece behind each newline that no space follows.
TEST(Tokenizer, LinesEncodeAlone) {
  EXPECT_TRUE(holds("encode(a + newline + b) = encode(a + newline) + encode(b)", [] {
    const std::string first = any_text() + "\n";
    const std::string second = any_text();
    RC_PRE(!second.empty() && (code_point_table()[first_code_point(second).code] & kSpace) == 0);
    Ids ids = encoded(tiny(), first);
    for (const std::int32_t id : encoded(tiny(), second)) ids.push_back(id);
    RC_ASSERT(encoded(tiny(), first + second) == ids);
  }));
}

TEST(Tokenizer, SizesAndNames) {
  const Tokenizer tokenizer = parsed(small_tokenizer({{"a", "b"}}));
  EXPECT_EQ(tokenizer.vocabulary_size(), 258);
  EXPECT_EQ(tokenizer.id_of("ab"), 256);
  EXPECT_EQ(tokenizer.id_of("<|end|>"), 257);
  EXPECT_EQ(tokenizer.id_of("\u0120"), 0x20);
  EXPECT_EQ(tokenizer.id_of("abc"), std::nullopt);
  EXPECT_EQ(tokenizer.bytes_of(256), "ab");
  EXPECT_EQ(tokenizer.bytes_of(258), std::nullopt);
  EXPECT_TRUE(tokenizer.is_special(257));
  EXPECT_FALSE(tokenizer.is_special(256));
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_EQ(Tokenizer::unicode_version(), "16.0.0");
}

TEST(Tokenizer, IdsWithoutATokenPrintAsReplacement) {
  const Tokenizer tokenizer = parsed(small_tokenizer({}));
  EXPECT_EQ(tokenizer.decode(Ids{'a', -1, 'b', 257, 0xC3, 100'000, 0xA9}),
            "a\uFFFDb\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Tokenizer, InvalidUtf8IsAnErrorThatNamesTheByte) {
  const auto ids = parsed(small_tokenizer({})).encode("ab\u00E9\xED\xA0\x80", SpecialTokens::none);
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().message(), "text: byte 4: expected UTF-8, found a byte sequence that is not");
}

TEST(StreamDecoder, HoldsBackUnfinishedSequences) {
  StreamDecoder stream(parsed(small_tokenizer({})));
  EXPECT_EQ(stream.feed(0xC3), "");
  EXPECT_EQ(stream.feed(0xA9), "\u00E9");
  EXPECT_EQ(stream.feed(0xE2), "");
  EXPECT_EQ(stream.feed('x'), "\uFFFDx");
  EXPECT_EQ(stream.feed(0xF0), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

// Expected ids from Hugging Face tokenizers 0.23.3, with its added ids 256 up; byte ids here are bytes.
TEST(AddedTokens, FlagsAndNormalization) {
  Json json = small_tokenizer({});
  Json& added = json["added_tokens"] = Json::array();
  const auto add = [&added](const std::string& content, std::initializer_list<const char*> flags) {
    Json token = added_token_json(static_cast<std::int32_t>(256 + added.size()), content);
    for (const char* flag : flags) token[flag] = true;
    added.push_back(token);
  };
  add("<w>", {"single_word"});
  add("<l>", {"lstrip"});
  add("<r>", {"rstrip"});
  add("<b>", {"lstrip", "rstrip"});
  add("e\u0301!", {"normalized"});
  add("<<", {});
  add("<<<", {});
  add("word", {"single_word", "normalized"});
  add(" <s", {});
  add("q\u0301", {});
  const Tokenizer tokenizer = parsed(json);
  const std::pair<std::string, Ids> cases[] = {{"a<w>b", {'a', '<', 'w', '>', 'b'}},
                                               {"a <w> b", {'a', ' ', 256, ' ', 'b'}},
                                               {"<w>", {256}},
                                               {"-<w>-", {'-', 256, '-'}},
                                               {"_<w>", {'_', '<', 'w', '>'}},
                                               {"\u24B6<w>", {0xE2, 0x92, 0xB6, '<', 'w', '>'}},
                                               {"\u200D<w>", {0xE2, 0x80, 0x8D, '<', 'w', '>'}},
                                               {"a \t<l> b", {'a', 257, ' ', 'b'}},
                                               {"a <r> \u3000b", {'a', ' ', 258, 'b'}},
                                               {"x  <b>  <b> y", {'x', 259, 259, 'y'}},
                                               {"<b> <l>", {259, 257}},
                                               {"\u00E9! e\u0301! e!", {260, ' ', 260, ' ', 'e', '!'}},
                                               {"<<<<<", {262, 261}},
                                               {"<<<<", {262, '<'}},
                                               {"words word", {'w', 'o', 'r', 'd', 's', ' ', 263}},
                                               {"word\u0301", {'w', 'o', 'r', 'd', 0xCC, 0x81}},
                                               {"a<r> <s", {'a', 258, 264}},
                                               {"q\u0301q\u0323\u0301", {265, 'q', 0xCC, 0xA3, 0xCC, 0x81}},
                                               {"   <l><r>   ", {257, 258}},
                                               {"\u2028<l>\u180E<l>", {257, 0xE1, 0xA0, 0x8E, 257}}};
  for (const auto& [text, ids] : cases) EXPECT_EQ(encoded(tokenizer, text), ids) << text;
}

TEST(Template, SurroundsTheTextOnRequest) {
  Json json = small_tokenizer({});
  const Json special = {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", Json::array({special, text, special, special})},
      {"pair", Json::array()},
      {"special_tokens", {{"<|end|>", {{"id", "<|end|>"}, {"ids", {256}}, {"tokens", {"<|end|>"}}}}}}};
  const Tokenizer tokenizer = parsed(json);
  EXPECT_THAT(tokenizer.encode("a", SpecialTokens::add).value(), ElementsAre(256, 'a', 256, 256));
  EXPECT_THAT(tokenizer.encode("a", SpecialTokens::none).value(), ElementsAre('a'));
}

TEST(IgnoreMerges, TakesAWholePieceThatIsAToken) {
  Json json = small_tokenizer({{"a", "b"}, {"b", "c"}, {"ab", "c"}});
  json["model"]["merges"].erase(2);  // abc stays a token that no merge reaches
  EXPECT_THAT(encoded(parsed(json), "abc abc"), ElementsAre(256, 'c', ' ', 256, 'c'));
  json["model"]["ignore_merges"] = true;
  EXPECT_THAT(encoded(parsed(json), "abc abc"), ElementsAre(258, ' ', 256, 'c'));
}

// The definition, in quadratic time: over and over the first pair of lowest rank.
Ids merge_by_definition(Ids ids, const Merges& merges) {
  while (true) {
    std::size_t best = ids.size();
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      if (!merges.contains(merge_pair(ids[i], ids[i + 1]))) continue;
      if (best == ids.size() || merges.at(merge_pair(ids[i], ids[i + 1])).rank <
                                    merges.at(merge_pair(ids[best], ids[best + 1])).rank) {
        best = i;
      }
    }
    if (best == ids.size()) return ids;
    ids[best] = merges.at(merge_pair(ids[best], ids[best + 1])).id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Bpe, IsTheDefinition) {
  std::mt19937_64 random(3);
  std::array<std::int32_t, 256> bytes = {};
  for (std::size_t i = 0; i < 256; ++i) bytes[i] = static_cast<std::int32_t>(i);
  for (int round = 0; round < 300; ++round) {
    Merges merges;  // of tokens over four letters, ranks in order
    std::vector<std::int32_t> tokens = {'a', 'b', 'c', 'd'};
    for (std::int32_t rank = 0; rank < 30; ++rank) {
      const MergePair pair = merge_pair(tokens[random() % tokens.size()], tokens[random() % tokens.size()]);
      if (merges.emplace(pair, Merge{rank, 256 + rank}).second) tokens.push_back(256 + rank);
    }
    const Bpe bpe(bytes, merges);
    for (int piece = 0; piece < 30; ++piece) {
      std::string text;
      for (std::size_t length = 1 + random() % 60; text.size() < length;)
        text += static_cast<char>('a' + random() % 4);
      Ids ids;
      bpe.encode(text, ids);
      ASSERT_EQ(ids, merge_by_definition(Ids(text.begin(), text.end()), merges)) << text;
    }
  }
}

// A piece of a million letters: quadratic merging would take minutes.
TEST(Bpe, LongPiecesStayCheap) {
  const Tokenizer tokenizer = parsed(small_tokenizer({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}));
  EXPECT_EQ(encoded(tokenizer, std::string(1'000'003, 'a')).size(), 125'000U + 2);
}

}  // namespace
}  // namespace assay
