// Equality with Hugging Face tokenizers: tests/fixtures/tokenizer/, made by tools/make_tokenizer_fixtures.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

using Ids = std::vector<std::int32_t>;

const std::filesystem::path kSource = ASSAY_SOURCE_DIR;
const std::filesystem::path kFixtures = kSource / "tests/fixtures/tokenizer";

std::vector<Json> lines_of(const std::filesystem::path& path) {
  std::istringstream text(read_text(path).value());
  std::vector<Json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
  return lines;
}

void expect_equal_to_fixtures(const std::filesystem::path& tokenizer_json,
                              const std::filesystem::path& strings, std::size_t at_least) {
  const auto tokenizer = Tokenizer::open(tokenizer_json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const std::vector<Json> lines = lines_of(strings);
  EXPECT_GE(lines.size(), at_least);
  for (const Json& line : lines) {
    const auto text = line["text"].get<std::string>();
    const Ids ids = line["ids"].get<Ids>();
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::none).value(), ids) << line;
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::add).value(), line["ids_special"].get<Ids>()) << line;
    EXPECT_EQ(tokenizer->decode(ids), line.value("decoded", text)) << line;
  }
}

TEST(Fixtures, TinyQwen3) {
  expect_equal_to_fixtures(kSource / "models/tiny-qwen3/tokenizer.json", kFixtures / "tiny-qwen3.jsonl",
                           3000);
}
TEST(Fixtures, Qwen35Like) {
  expect_equal_to_fixtures(kFixtures / "qwen35-like/tokenizer.json", kFixtures / "qwen35-like/strings.jsonl",
                           500);
}
TEST(Fixtures, Llama3Like) {
  expect_equal_to_fixtures(kFixtures / "llama3-like/tokenizer.json", kFixtures / "llama3-like/strings.jsonl",
                           500);
}
TEST(Fixtures, OldMerges) {
  expect_equal_to_fixtures(kFixtures / "old-merges/tokenizer.json", kFixtures / "old-merges/strings.jsonl",
                           500);
}

TEST(Fixtures, DecodingOfAnyIds) {
  const auto tokenizer = Tokenizer::open(kSource / "models/tiny-qwen3/tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const std::vector<Json> lines = lines_of(kFixtures / "decode.jsonl");
  EXPECT_GE(lines.size(), 400U);
  for (const Json& line : lines) {
    Ids ids = line["ids"].get<Ids>();
    EXPECT_EQ(tokenizer->decode(ids), line["text"].get<std::string>()) << line;

    StreamDecoder stream(*tokenizer);
    std::string streamed;
    for (const std::int32_t id : ids) streamed += stream.feed(id);
    EXPECT_EQ(streamed + stream.finish(), line["text"].get<std::string>()) << line;

    ids.erase(
        std::remove_if(ids.begin(), ids.end(), [&](std::int32_t id) { return tokenizer->is_special(id); }),
        ids.end());
    EXPECT_EQ(tokenizer->decode(ids), line["text_without_special"].get<std::string>()) << line;
  }
}

}  // namespace
}  // namespace assay
