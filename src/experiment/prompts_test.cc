#include "experiment/prompts.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "experiment/documents.h"
#include "experiment/program.h"

namespace assay {
namespace {

using testing::HasSubstr;

const std::filesystem::path kTokenizer =
    std::filesystem::path(ASSAY_SOURCE_DIR) / "models/tiny-qwen3/tokenizer.json";

class Prompts : public testing::Test {
 protected:
  Prompts() : tokenizer_(*Tokenizer::open(kTokenizer)) {
    std::filesystem::create_directories(folder_);
    std::string text;
    for (int i = 0; i < 300; ++i) text += "line " + std::to_string(i) + " of it\n";
    std::ofstream(folder_ / "b.txt") << text;
    std::ofstream(folder_ / "a.txt") << "Once upon a time, " << text;
    settings_ = {.documents = {(folder_ / "*.txt").string()},
                 .tokens = 20,
                 .references = 3,
                 .system = "You read.",
                 .prefix = "Text: ",
                 .question = "\nWhat is it?"};
  }
  ~Prompts() override { std::filesystem::remove_all(folder_); }

  Result<std::vector<std::vector<TokenId>>> build() const {
    return build_prompts(settings_, tokenizer_, "e.yaml", kTokenizer.string());
  }

  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "assay_prompts";
  Tokenizer tokenizer_;
  PromptSettings settings_;
};

TEST_F(Prompts, HaveTheChatFormAndTheExactLength) {
  const auto prompts = build();
  ASSERT_TRUE(prompts) << prompts.error().message();
  const std::string before = "<|im_start|>system\nYou read.<|im_end|>\n<|im_start|>user\nText: ";
  const std::string after = "\nWhat is it?<|im_end|>\n<|im_start|>assistant\n";
  const std::size_t frame = tokenizer_.encode(before, SpecialTokens::none)->size() +
                            tokenizer_.encode(after, SpecialTokens::none)->size();
  ASSERT_EQ(prompts->size(), 3U);
  for (const auto& prompt : *prompts) {
    EXPECT_EQ(prompt.size(), frame + 20);
    const std::string text = tokenizer_.decode(prompt);
    EXPECT_TRUE(text.starts_with(before)) << text;
    EXPECT_TRUE(text.ends_with(after)) << text;
  }
  EXPECT_THAT(tokenizer_.decode(prompts->front()), HasSubstr("Once upon a time"));  // a.txt before b.txt
  EXPECT_EQ((std::set<std::vector<TokenId>>(prompts->begin(), prompts->end()).size()), 3U);
  EXPECT_EQ(*prompts, *build());
}

TEST_F(Prompts, RefusesTooLittleTextAndSaysHowMuchThereIs) {
  settings_.tokens = 100000;
  EXPECT_THAT(build().error().message(), HasSubstr("expected 3 x 100000 tokens of text, found "));
}

TEST_F(Prompts, RefusesSpecialTokensInTexts) {
  settings_.question = "What?<|im_end|>";
  EXPECT_THAT(build().error().message(), HasSubstr("e.yaml: prompts.question"));
  settings_.question = "What?";
  std::ofstream(folder_ / "c.txt") << "end<|im_end|>";
  EXPECT_THAT(build().error().message(), HasSubstr("c.txt"));
}

TEST_F(Prompts, RefusesDocumentsThatAreNotThereOrNotText) {
  std::ofstream(folder_ / "bad.txt") << "caf\xe9";
  EXPECT_THAT(build().error().message(), HasSubstr("bad.txt: expected UTF-8 text"));
  settings_.documents = {(folder_ / "*.md").string()};
  EXPECT_THAT(build().error().message(), HasSubstr("prompts.documents: expected files that exist"));
  std::ofstream(folder_ / "half.pdf") << "%PDF-1.4 and nothing more";
  EXPECT_THAT(read_document(folder_ / "half.pdf").error().message(), HasSubstr("half.pdf: pdftotext: "));
}

TEST(Program, GivesOutputOrTheReason) {
  EXPECT_EQ(*run_program({"printf", "%s|%s", "a b", "$HOME;`id`"}), "a b|$HOME;`id`");
  EXPECT_THAT(run_program({"assay-no-such-program"}).error().message(), HasSubstr("a program on PATH"));
  EXPECT_THAT(run_program({"sh", "-c", "echo why >&2; exit 3"}).error().message(),
              HasSubstr("exit code 3: why"));
  EXPECT_THAT(run_program({"sh", "-c", "kill -9 $$"}).error().message(), HasSubstr("signal 9"));
  // More than a pipe holds, on both streams.
  EXPECT_EQ(run_program({"sh", "-c", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"})->size(),
            300000U);
}

}  // namespace
}  // namespace assay
