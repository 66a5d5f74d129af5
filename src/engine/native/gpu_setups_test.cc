// Setups of GPUs: their kernels and devices are told apart, the rows of a pass count, and nothing else
// changes a bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/native/test_setups.h"

namespace assay {
namespace {

using testing::HasSubstr;

const Setup kAwqA100 = setup_of("tiny-qwen3-awq", "awq", "a100");
const Setup kMarlinA100 = setup_of("tiny-qwen3-awq", "awq_marlin", "a100");

TEST(GpuSetups, InstructionSetsAndThreadsChangeNoBit) {
  const auto request = request_for(9, 8, {1, 8}, Replay::decode);
  for (const assay::Setup& setup : {kAwqA100, setup_of("tiny-qwen3-awq", "awq_marlin", "h100"),
                                    setup_of("tiny-qwen3-gptq", "gptq_marlin", "h100")}) {
    const auto expected = score(setup, request, 1, Isa::scalar);
    for (const Isa isa : available_isas()) EXPECT_EQ(score(setup, request, 2, isa), expected) << name_of(isa);
  }
}

TEST(GpuSetups, KernelsAndDevicesAreToldApart) {
  const auto request = request_for(70, 64, {63, 64, 69}, Replay::decode);
  std::vector<std::vector<PositionScores>> all;
  for (const char* device : {"ieee", "a100", "h100"}) {
    for (const char* quantization : {"awq", "awq_marlin"}) {
      auto scores = score(setup_of("tiny-qwen3-awq", quantization, device), request);
      const bool yardstick = std::string(device) == "ieee" && std::string(quantization) == "awq_marlin";
      EXPECT_EQ(std::count(all.begin(), all.end(), scores), yardstick ? 1 : 0)
          << device << " " << quantization;
      all.push_back(std::move(scores));
    }
  }
  EXPECT_EQ(all[0], all[1]) << "ieee has no kernels of its own";
  EXPECT_EQ(score(setup_of("tiny-qwen3-awq", "awq", "l40s"), request), score(kAwqA100, request))
      << "one arithmetic, and a kernel that does not look at the SM count: one class";
  auto later = kMarlinA100;
  later.profile = "vllm-0.12";
  EXPECT_NE(score(later, request), score(kMarlinA100, request));
  auto overridden = kMarlinA100;
  overridden.kernel = "marlin_b";
  EXPECT_EQ(score(overridden, request), score(later, request));
  overridden.kernel = "awq";
  EXPECT_EQ(score(overridden, request), score(kAwqA100, request));
}

TEST(GpuSetups, TheRowsOfAPassArePartOfTheSetup) {
  const auto positions = {Index{1}, Index{70}, Index{79}};
  const auto replayed = [&](const assay::Setup& setup, Replay replay) {
    return score(setup, request_for(84, 80, positions, replay));
  };
  EXPECT_NE(replayed(kMarlinA100, Replay::prefill), replayed(kMarlinA100, Replay::decode));
  auto cut = kMarlinA100;
  cut.prefill_tokens = 16;
  EXPECT_NE(replayed(cut, Replay::decode), replayed(kMarlinA100, Replay::decode));
  const auto dense = setup_of("tiny-qwen3", "none", "a100");
  EXPECT_EQ(replayed(dense, Replay::prefill), replayed(dense, Replay::decode));
}

TEST(GpuSetups, APromptIsReusedOnlyInEqualPasses) {
  ThreadPool pool(2);
  auto engine = open_engine(kMarlinA100, pool);
  ASSERT_TRUE(engine.ok());
  const auto first = request_for(80, 70, {68, 69, 75, 79}, Replay::decode);
  auto second = first;
  for (std::size_t i = 70; i < 80; ++i) second.tokens[i] = 5;
  ASSERT_TRUE((*engine)->score(first).ok());
  EXPECT_EQ((*engine)->tokens_computed(), 79);
  EXPECT_EQ((*engine)->score(second)->positions, score(kMarlinA100, second));
  EXPECT_EQ((*engine)->tokens_computed(), 79 + 9) << "the prompt's pass is the same";
  auto whole = second;
  whole.replay = Replay::prefill;
  EXPECT_EQ((*engine)->score(whole)->positions, score(kMarlinA100, whole));
  EXPECT_EQ((*engine)->tokens_computed(), 79 + 9 + 79) << "a pass of 80 rows is another than one of 70";
  auto tail = whole;
  for (std::size_t i = 75; i < 80; ++i) tail.tokens[i] = 6;
  EXPECT_EQ((*engine)->score(tail)->positions, score(kMarlinA100, tail));
  EXPECT_EQ((*engine)->tokens_computed(), 79 + 9 + 79 + 4) << "equal rows of equal passes are kept";
}

TEST(GpuSetups, DescribeSaysWhatRuns) {
  ThreadPool pool(1);
  const auto ran = [&](const assay::Setup& setup) { return (*open_engine(setup, pool))->describe(); };
  const auto marlin = ran(kMarlinA100);
  EXPECT_EQ(lookup(marlin, "device"), "a100");
  EXPECT_EQ(lookup(marlin, "family"), "ampere");
  EXPECT_EQ(lookup(marlin, "sm_count"), "108");
  EXPECT_EQ(lookup(marlin, "kernel"), "marlin_a");
  EXPECT_EQ(lookup(marlin, "isa"), name_of(fastest_isa()));
  EXPECT_EQ(lookup(marlin, "rows_change_bits"), "yes");
  EXPECT_EQ(lookup(ran(setup_of("tiny-qwen3-gptq", "gptq_marlin", "h100")), "kernel"), "machete");
  EXPECT_EQ(lookup(ran(setup_of("tiny-qwen3", "none", "h100")), "kernel"), "cublas");
  EXPECT_EQ(lookup(ran(setup_of("tiny-qwen3", "none", "h100")), "rows_change_bits"), "no");
  EXPECT_EQ(lookup(ran(kDense), "rows_change_bits"), "no");
}

TEST(GpuSetups, RefusesWhatADeviceOrACheckpointCannotRun) {
  ThreadPool pool(1);
  const auto complaint = [&](assay::Setup setup, auto change) {
    change(setup);
    const auto engine = open_engine(setup, pool);
    return engine.ok() ? std::string("accepted") : engine.error().message();
  };
  EXPECT_THAT(complaint(kMarlinA100, [](auto& s) { s.device = "t4"; }),
              HasSubstr("compute capability 8.0 or more"));
  EXPECT_THAT(complaint(kMarlinA100, [](auto& s) { s.kernel = "machete"; }),
              HasSubstr("capability 9.0, found a100"));
  EXPECT_THAT(complaint(kMarlinA100, [](auto& s) { s.kernel = "marlin"; }),
              HasSubstr("one of chain, split_k(n)"));
  EXPECT_THAT(complaint(kMarlinA100, [](auto& s) { s.profile = "vllm-0.13"; }),
              HasSubstr("one of vllm-0.11, vllm-0.12, found vllm-0.13"));
  EXPECT_THAT(complaint(kDense, [](auto& s) { s.kernel = "awq"; }),
              HasSubstr("chain, the only kernel of device ieee"));
  EXPECT_THAT(complaint(kDense,
                        [](auto& s) {
                          s.device = "t4";
                          s.dtype = "bfloat16";
                        }),
              HasSubstr("a type that the tensor cores of t4 multiply, found bfloat16"));
  EXPECT_THAT(complaint(kDense, [](auto& s) { s.prefill_tokens = 0; }), HasSubstr("prefill_tokens"));
  const assay::Setup eight_bits = {.name = "eight",
                                   .model = ASSAY_SOURCE_DIR "/tests/fixtures/model/gptq-8bit",
                                   .quantization = "gptq_marlin",
                                   .dtype = "float16",
                                   .device = "a100"};
  EXPECT_THAT(complaint(eight_bits, [](auto&) {}), HasSubstr("4 for kernel marlin_a, found 8"));
  assay::Setup asymmetric = eight_bits;
  asymmetric.model = ASSAY_SOURCE_DIR "/tests/fixtures/model/gptq-asymmetric";
  asymmetric.quantization = "gptq";
  for (const auto& [device, kernel] : {std::pair{"a100", "marlin_a"}, std::pair{"h100", "machete"}}) {
    EXPECT_THAT(complaint(asymmetric,
                          [device = device, kernel = kernel](auto& s) {
                            s.device = device;
                            s.kernel = kernel;
                          }),
                HasSubstr("quantization_config.sym: expected true for Marlin and Machete, found false"));
  }
}

}  // namespace
}  // namespace assay
