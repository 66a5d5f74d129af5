#include "engine/openai/openai_check.h"

#include <gtest/gtest.h>

#include "tokenizer/byte_tokenizer.h"

namespace assay {
namespace {

ToldToken told(const char* text, float logprob) { return {.text = text, .id = {}, .logprob = logprob}; }

// The top 3 behind which "c" was listed, or so it may be: two tokens have the text "\r", and one of them may be lost.
TEST(OpenaiCheckTest, TheLastOfAListMayBeOutsideTheTop) {
  const TokenTexts texts(*Tokenizer::parse(byte_tokenizer({}, {"<|end|>", "\r"}).dump(), "tokenizer.json"));
  const auto rank = [&](std::vector<ToldToken> top) {
    const ToldStep step{.own = told("c", -3), .top = std::move(top)};
    const auto position = openai_position(step, 'c', 1, 3, texts);
    EXPECT_TRUE(position.ok()) << position.error().message();
    return find_score(position->scores, 'c')->rank;
  };
  EXPECT_EQ(rank({told("a", -1), told("b", -2), told("c", -3)}), 3);
  EXPECT_EQ(rank({told("a", -1), told("\r", -2), told("c", -3)}), 0);
  EXPECT_EQ(rank({told("a", -1), told("\r", -4), told("c", -3)}), 2);
  EXPECT_EQ(rank({told("a", -1), told("\r", -2), told("b", -2.5F), told("c", -3)}), 0);
}

}  // namespace
}  // namespace assay
