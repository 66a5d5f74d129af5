#include "experiment/synthesize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <set>

#include "engine/engine.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const std::function<bool()> kNeverStopped = [] { return false; };

class Synthesize : public ::testing::Test {
 protected:
  Synthesize() { fs::create_directories(folder_); }
  ~Synthesize() override { fs::remove_all(folder_); }

  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string refusal(const SynthesisOptions& options, const std::function<bool()>& stopped = kNeverStopped) {
    const std::size_t before = files();
    const auto made = synthesize(options, folder_ / "model", pool_, stopped);
    EXPECT_EQ(files(), before);
    return made ? "accepted" : made.error().message();
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / ("assay_synthesize_test" + std::to_string(::getpid()));
  ThreadPool pool_{2};
};

TEST_F(Synthesize, TheEngineScoresItWithFiniteNumbersThatDiffer) {
  for (const auto& [method, quantization] : {std::pair{std::optional<QuantizationMethod>(), "none"},
                                             {QuantizationMethod::awq, "awq_marlin"},
                                             {QuantizationMethod::gptq, "gptq_marlin"}}) {
    const fs::path model = folder_ / quantization;
    SynthesisOptions options{
        .shape = "tiny", .quantization = method, .shards = {}, .tokenizer = {}, .seed = 3};
    const auto made = synthesize(options, model, pool_, kNeverStopped);
    ASSERT_TRUE(made.ok()) << made.error().message();
    EXPECT_EQ(made->shards, 1);
    const auto engine = open_engine({.name = "random",
                                     .model = model.string(),
                                     .quantization = quantization,
                                     .dtype = "float16",
                                     .device = "ieee"},
                                    pool_);
    ASSERT_TRUE(engine.ok()) << engine.error().message();
    const auto tokenizer = Tokenizer::open(model / "tokenizer.json");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
    ScoreRequest request;
    request.tokens = *tokenizer->encode("<|im_start|>user\nWhat is it?<|im_end|>\n", SpecialTokens::none);
    ASSERT_EQ(request.tokens.size(), 19U);
    EXPECT_EQ(request.tokens[1], 'u');
    request.prompt_length = static_cast<Index>(request.tokens.size());
    for (Index p = 1; p < request.prompt_length; ++p) request.asked.push_back({p, {}, 20});
    const auto scores = (*engine)->score(request);
    ASSERT_TRUE(scores.ok()) << scores.error().message();
    std::set<float> values;
    for (const PositionScores& position : scores->positions) {
      for (const TokenScore& score : position.scores) {
        EXPECT_TRUE(std::isfinite(score.logprob));
        values.insert(score.logprob);
      }
      EXPECT_GT(position.scores.front().logprob - position.scores.back().logprob, 0.3F);
      EXPECT_LT(position.scores.front().logprob, -0.5F);
    }
    EXPECT_GT(values.size(), 300U) << "of 360";
  }
}

TEST_F(Synthesize, RefusesAndLeavesNothing) {
  const SynthesisOptions tiny{.shape = "tiny", .quantization = {}, .shards = {}, .tokenizer = {}, .seed = 0};
  SynthesisOptions options = tiny;
  options.shape = "vast";
  EXPECT_THAT(refusal(options), HasSubstr("shape: expected tiny"));
  options = tiny;
  options.shards = 26;
  EXPECT_THAT(refusal(options), HasSubstr("--shards: expected 1 to 25, the number of tensors, found 26"));
  options = tiny;
  options.tokenizer = folder_ / "none.json";
  EXPECT_THAT(refusal(options), HasSubstr("none.json"));
  options.tokenizer = fs::path(ASSAY_SOURCE_DIR) / "models/tiny-qwen3/tokenizer.json";
  EXPECT_THAT(refusal(options), HasSubstr("vocabulary: expected at most 512 tokens, found 4096"));
  EXPECT_THAT(refusal(tiny, [] { return true; }), HasSubstr("found an interruption"));
  std::ofstream(folder_ / "model") << "mine";
  EXPECT_THAT(refusal(tiny), HasSubstr("model: expected a new folder, found one that exists"));
}

TEST_F(Synthesize, AGivenTokenizerIsCopied) {
  const fs::path tokenizer = fs::path(ASSAY_SOURCE_DIR) / "models/tiny-qwen3/tokenizer.json";
  const SynthesisOptions options{.shape = "small",
                                 .quantization = QuantizationMethod::awq,
                                 .shards = 2,
                                 .tokenizer = tokenizer,
                                 .seed = 0};
  ASSERT_TRUE(synthesize(options, folder_ / "deep/model/", pool_, kNeverStopped));
  EXPECT_EQ(Tokenizer::open(folder_ / "deep/model/tokenizer.json")->vocabulary_size(), 4096);
  EXPECT_TRUE(fs::exists(folder_ / "deep/model/model-00002-of-00002.safetensors"));
}

}  // namespace
}  // namespace assay
