// The native engine on the tiny models: nothing but the setup changes a bit, and bad requests are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/native/test_setups.h"

namespace assay {
namespace {

using testing::HasSubstr;

TEST(NativeEngine, ThreadsAndInstructionSetsChangeNoBit) {
  const auto request = request_for(24, 20, {1, 19, 20, 23}, Replay::prefill);
  for (const char* device : {"ieee", "exact"}) {
    const auto setup = setup_of("tiny-qwen3", "none", device);
    const auto expected = score(setup, request, 1);
    ASSERT_EQ(expected.size(), 4U);
    EXPECT_EQ(score(setup, request, 2), expected);
    for (const Isa isa : available_isas()) EXPECT_EQ(score(setup, request, 2, isa), expected) << name_of(isa);
  }
}

TEST(NativeEngine, DecodeStepsAndLongPassesGiveTheBitsOfOnePass) {
  const auto positions = {Index{1}, Index{530}, Index{600}, Index{607}, Index{611}};
  const auto prefill = score(kDense, request_for(612, 604, positions, Replay::prefill));
  EXPECT_EQ(score(kDense, request_for(612, 604, positions, Replay::decode)), prefill);
}

TEST(NativeEngine, DevicesDiffer) {
  const auto request = request_for(24, 20, {23}, Replay::prefill);
  EXPECT_NE(score(setup_of("tiny-qwen3", "none", "ieee"), request),
            score(setup_of("tiny-qwen3", "none", "exact"), request));
}

TEST(NativeEngine, BfloatActivationsAreAnotherSetup) {
  auto bf16 = kDense;
  bf16.dtype = "bfloat16";
  const auto request = request_for(24, 20, {23}, Replay::prefill);
  EXPECT_NE(score(bf16, request), score(kDense, request));
  EXPECT_EQ(score(bf16, request, 1, Isa::scalar), score(bf16, request));
}

TEST(NativeEngine, ASharedPromptIsComputedOnceWithTheSameBits) {
  ThreadPool pool(2);
  auto engine = open_engine(kDense, pool);
  ASSERT_TRUE(engine.ok());
  auto first = request_for(80, 70, {68, 69, 75, 79}, Replay::prefill);
  auto second = first;
  for (std::size_t i = 70; i < 80; ++i) second.tokens[i] = 5;
  ASSERT_TRUE((*engine)->score(first).ok());
  EXPECT_EQ((*engine)->tokens_computed(), 79);
  const auto shared = (*engine)->score(second);
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ((*engine)->tokens_computed(), 79 + 9);  // the prompt's hidden states are kept
  EXPECT_EQ(shared->positions, score(kDense, second));
  (*engine)->forget();
  EXPECT_EQ((*engine)->score(second)->positions, shared->positions);
  EXPECT_EQ((*engine)->tokens_computed(), 79 + 9 + 79);
}

TEST(NativeEngine, GenerationRecordsWhatScoringFinds) {
  ThreadPool pool(2);
  auto engine = open_engine(kDense, pool);
  ASSERT_TRUE(engine.ok());
  GenerateRequest generate{some_tokens(40), 12, 5, 3, true};
  const auto made = (*engine)->generate(generate);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->generated_ids.size(), 12U);
  ASSERT_EQ(made->prefill.size(), 3U);
  ASSERT_EQ(made->decode.size(), 3U);
  EXPECT_EQ(made->prefill.back().position, 39);
  EXPECT_EQ(made->decode.back().position, 51);
  EXPECT_EQ(made->decode.back().scores.front().id, made->generated_ids.back());

  ScoreRequest request{generate.prompt, 40, {}, Replay::decode};
  request.tokens.insert(request.tokens.end(), made->generated_ids.begin(), made->generated_ids.end());
  for (const auto* part : {&made->prefill, &made->decode}) {
    for (const PositionScores& recorded : *part) {
      AskedPosition asked{recorded.position, {}, 0};
      for (const TokenScore& one : recorded.scores) asked.ids.push_back(one.id);
      request.asked.push_back(asked);
    }
  }
  const auto scores = score(kDense, request);
  std::vector<PositionScores> recorded = made->prefill;
  recorded.insert(recorded.end(), made->decode.begin(), made->decode.end());
  EXPECT_EQ(scores, recorded);

  generate.last_positions = 0;
  const auto everything = (*engine)->generate(generate);
  ASSERT_TRUE(everything.ok());
  EXPECT_EQ(everything->prefill.size(), 39U);
  EXPECT_EQ(everything->decode.size(), 12U);
  EXPECT_EQ(everything->generated_ids, made->generated_ids);
}

// Forces what a setup generated through it again, and gives the checks of the generated tokens.
std::vector<TokenCheck> checks_of(const Setup& setup, const Sampling& made_with, const Sampling& checked_with,
                                  Index forged = -1) {
  ThreadPool pool(2);
  auto engine = open_engine(setup, pool);
  if (!engine) throw Fault(engine.error().message());
  const auto made = (*engine)->generate(
      {.prompt = some_tokens(40), .max_new_tokens = 36, .ignore_eos = true, .sampling = made_with});
  if (!made) throw Fault(made.error().message());
  ScoreRequest request{.tokens = made->prompt_ids,
                       .prompt_length = 40,
                       .asked = {{20, {}, 3}, {40, {}, 3}, {70, {}, 3}},
                       .replay = Replay::decode,
                       .check_tokens = true,
                       .sampling = checked_with};
  for (const TokenId id : made->generated_ids) request.tokens.push_back(id);
  if (forged >= 0) ++request.tokens[static_cast<std::size_t>(forged)];
  (*engine)->forget();
  const auto scores = (*engine)->score(request);
  if (!scores) throw Fault(scores.error().message());
  request.check_tokens = false;
  EXPECT_EQ(score(setup, request), scores->positions) << "checks do not change the scores";
  EXPECT_EQ(scores->tokens.size(), 36U);
  for (Index i = 0; i < 36; ++i) EXPECT_EQ(scores->tokens[static_cast<std::size_t>(i)].position, 40 + i);
  return scores->tokens;
}

Index with_margin(const std::vector<TokenCheck>& checks) {
  return std::count_if(checks.begin(), checks.end(),
                       [](const TokenCheck& check) { return check.margin > 0; });
}

TEST(NativeEngine, EveryTokenOfItsOwnGenerationIsTheOneItWouldChoose) {
  for (const Sampling& sampling :
       {Sampling{}, Sampling{Sampler::exponential_race, 0.8, 5}, Sampling{Sampler::inverse_cdf, 0.8, 5}}) {
    const auto checks = checks_of(kDense, sampling, sampling);
    EXPECT_EQ(with_margin(checks), 0) << word(sampling.sampler);
    for (const TokenCheck& check : checks) {
      EXPECT_LT(check.logprob, 0);
      EXPECT_TRUE(sampling.sampler != Sampler::greedy || check.rank == 1);
    }
    const auto forged = checks_of(kDense, sampling, sampling, 55);
    EXPECT_GT(forged[15].margin, 0);
    EXPECT_TRUE(std::equal(checks.begin(), checks.begin() + 15, forged.begin()));
  }
  const Sampling sampling{Sampler::exponential_race, 0.8, 5};
  EXPECT_EQ(with_margin(checks_of(setup_of("tiny-qwen3-awq", "awq_marlin", "a100"), sampling, sampling)), 0);
}

TEST(NativeEngine, AnotherSeedChoosesOtherTokens) {
  for (const Sampler sampler : {Sampler::exponential_race, Sampler::inverse_cdf}) {
    EXPECT_GT(with_margin(checks_of(kDense, {sampler, 0.8, 5}, {sampler, 0.8, 6})), 0) << word(sampler);
    EXPECT_GT(with_margin(checks_of(kDense, {sampler, 0.8, 5}, {})), 0) << word(sampler);
  }
}

TEST(NativeEngine, RefusesWhatItCannotScore) {
  ThreadPool pool(1);
  auto engine = open_engine(kDense, pool);
  ASSERT_TRUE(engine.ok());
  const auto complaint = [&](auto change) {
    auto request = request_for(24, 20, {23}, Replay::prefill);
    change(request);
    const auto scores = (*engine)->score(request);
    return scores.ok() ? std::string("accepted") : scores.error().message();
  };
  EXPECT_THAT(complaint([](auto& r) { r.tokens[3] = 4096; }),
              HasSubstr("expected ids below 4096, found 4096"));
  EXPECT_THAT(complaint([](auto& r) { r.tokens[3] = -1; }), HasSubstr("found -1"));
  EXPECT_THAT(complaint([](auto& r) { r.tokens.resize(9000, 1); }),
              HasSubstr("at most the context of 8192, found 9000"));
  EXPECT_THAT(complaint([](auto& r) { r.asked[0].position = 24; }), HasSubstr("1 to 23, found 24"));
  EXPECT_THAT(complaint([](auto& r) { r.asked[0].ids = {5000}; }), HasSubstr("found 5000"));
  EXPECT_THAT(complaint([](auto& r) { r.prompt_length = 0; }), HasSubstr("prompt_length"));
  EXPECT_THAT(complaint([](auto& r) { r.sampling.temperature = 0.5; }), HasSubstr("0 (greedy), found 0.5"));
  EXPECT_THAT(complaint([](auto& r) {
                r.sampling = {Sampler::inverse_cdf, 0.001, 1};
              }),
              HasSubstr("temperature: expected 0.01 to 100, found 0.001"));
  EXPECT_THAT((*engine)->generate({some_tokens(8190), 3, 5, 3, false}).error().message(),
              HasSubstr("found 8193"));
}

TEST(OpenEngine, RefusesUnknownSetupsAndListsWhatExists) {
  ThreadPool pool(1);
  const auto complaint = [&](auto change) {
    auto setup = kDense;
    change(setup);
    const auto engine = open_engine(setup, pool);
    return engine.ok() ? std::string("accepted") : engine.error().message();
  };
  EXPECT_THAT(complaint([](auto& s) { s.device = "a1000"; }),
              AllOf(HasSubstr("one of ieee, exact, v100"), HasSubstr("h20, b200, found a1000")));
  EXPECT_THAT(complaint([](auto& s) { s.dtype = "half"; }), HasSubstr("float16 or bfloat16, found half"));
  EXPECT_THAT(complaint([](auto& s) { s.quantization = "awq_marlyn"; }),
              HasSubstr("one of none, awq, awq_marlin"));
  EXPECT_THAT(complaint([](auto& s) { s.quantization = "awq"; }),
              HasSubstr("a checkpoint for quantization awq, found none"));
  EXPECT_THAT(complaint([](auto& s) { s.model = "no/such"; }), HasSubstr("no/such"));
}

}  // namespace
}  // namespace assay
