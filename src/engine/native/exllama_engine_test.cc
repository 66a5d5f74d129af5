// The engine under exllama: a seed orders what the hardware leaves to chance, and nothing else changes a bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "engine/engine.h"
#include "engine/native/decoder_weights.h"
#include "engine/native/linear_product.h"
#include "kernels/exllama.h"
#include "number/float16.h"

namespace assay {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

Setup setup_of(const std::string& device, const std::string& model = "models/tiny-qwen3-gptq") {
  return {.name = "gptq",
          .model = ASSAY_SOURCE_DIR "/" + model,
          .quantization = "gptq",
          .dtype = "float16",
          .device = device,
          .weights_sha256 = ""};
}

std::vector<TokenId> some_tokens(Index n) {
  std::vector<TokenId> tokens;
  for (Index i = 0; i < n; ++i) tokens.push_back(static_cast<TokenId>((i * 577 + 31) % 4000));
  return tokens;
}

// Positions of a prompt of 60 tokens (one pass above exllama's threshold) and of 6 decoded ones.
ScoreRequest decode_request(std::uint64_t noise, Index prompt = 60, Index decoded = 6) {
  ScoreRequest request{some_tokens(prompt + decoded), prompt, {}, Replay::decode, noise};
  for (Index i = prompt - 20; i < prompt + decoded; ++i) request.asked.push_back({i, {7}, 5});
  return request;
}

std::vector<PositionScores> score(Engine& engine, const ScoreRequest& request) {
  auto scores = engine.score(request);
  if (!scores) throw Fault(scores.error().message());
  return scores->positions;
}

std::vector<PositionScores> score(const Setup& setup, const ScoreRequest& request, int threads = 2,
                                  Isa isa = fastest_isa()) {
  ThreadPool pool(threads);
  auto engine = open_engine(setup, pool, {.isa = isa});
  if (!engine) throw Fault(engine.error().message());
  return score(**engine, request);
}

TEST(ExllamaEngine, TheSeedChangesDecodeStepsOnly) {
  const auto first = score(setup_of("a100"), decode_request(1));
  const auto second = score(setup_of("a100"), decode_request(2));
  EXPECT_EQ(score(setup_of("a100"), decode_request(1)), first);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool decoded = first[i].position > 60;  // position 60 is predicted by the prompt's last token
    EXPECT_EQ(first[i] == second[i], !decoded) << first[i].position;
  }
}

TEST(ExllamaEngine, ThreadsAndInstructionSetsChangeNoBit) {
  const auto request = decode_request(1, 21, 2);
  const auto expected = score(setup_of("a100"), request);
  EXPECT_EQ(score(setup_of("a100"), request, 1), expected);
  for (const Isa isa : available_isas()) {
    EXPECT_EQ(score(setup_of("a100"), request, 2, isa), expected) << name_of(isa);
  }
}

TEST(ExllamaEngine, StateOfOneSeedIsNotReusedForAnother) {
  ThreadPool pool(2);
  auto engine = open_engine(setup_of("a100"), pool);
  ASSERT_TRUE(engine.ok());
  const auto first = score(**engine, decode_request(1));
  const Index computed = (*engine)->tokens_computed();
  EXPECT_EQ(score(**engine, decode_request(1)), first);
  EXPECT_EQ((*engine)->tokens_computed(), computed);
  EXPECT_EQ(score(**engine, decode_request(2)), score(setup_of("a100"), decode_request(2)));
  EXPECT_EQ((*engine)->tokens_computed(), 2 * computed);
}

TEST(ExllamaEngine, ScoringAGenerationUnderItsSeedFindsItsBits) {
  ThreadPool pool(2);
  auto engine = open_engine(setup_of("a100"), pool);
  ASSERT_TRUE(engine.ok());
  GenerateRequest generate{.prompt = some_tokens(40),
                           .max_new_tokens = 8,
                           .top_k = 5,
                           .last_positions = 3,
                           .ignore_eos = true,
                           .noise_seed = 3};
  const auto made = (*engine)->generate(generate);
  ASSERT_TRUE(made.ok());
  ScoreRequest request{generate.prompt, 40, {}, Replay::decode, 3};
  request.tokens.insert(request.tokens.end(), made->generated_ids.begin(), made->generated_ids.end());
  for (const PositionScores& recorded : made->decode) {
    AskedPosition asked{recorded.position, {}, 0};
    for (const TokenScore& one : recorded.scores) asked.ids.push_back(one.id);
    request.asked.push_back(asked);
  }
  EXPECT_EQ(score(setup_of("a100"), request), made->decode);
  request.noise_seed = 4;
  EXPECT_NE(score(setup_of("a100"), request), made->decode);
}

TEST(ExllamaEngine, SaysThatItIsNotDeterministicAndWhatIsApproximate) {
  ThreadPool pool(1);
  const auto a100 = open_engine(setup_of("a100"), pool);
  ASSERT_TRUE(a100.ok());
  EXPECT_THAT((*a100)->describe(), Contains(Pair("determinism", "not_deterministic")));
  EXPECT_THAT((*a100)->describe(), Contains(Pair("rows_change_bits", "yes")));
  EXPECT_THAT((*a100)->describe(), Contains(Pair("kernel", "exllama")));
  EXPECT_THAT((*a100)->describe(), Contains(Pair("half_gemm", "not measured")));
  const auto h100 = open_engine(setup_of("h100"), pool);
  ASSERT_TRUE(h100.ok());
  EXPECT_THAT((*h100)->describe(), Contains(Pair("half_gemm", "measured")));
}

DecoderWeights load(const std::string& model, ThreadPool& pool) {
  const std::string folder = ASSAY_SOURCE_DIR "/" + model;
  const auto config = read_config(folder);
  const auto files = Weights::open(folder);
  if (!config || !files) throw Fault("the model opens");
  auto weights = load_decoder(*files, *config, Dtype::fp16, {.keeps_integers = true}, pool);
  if (!weights) throw Fault(weights.error().message());
  return *std::move(weights);
}

// Weights that the integers and scales do not stand for.
Index mismatches(const Linear& linear) {
  const IntegerMatrix& w = *linear.integers;
  Index wrong = 0;
  for (Index k = 0; k < w.rows; ++k) {
    const Index input = w.input_order.empty() ? k : w.input_order[static_cast<std::size_t>(k)];
    for (Index n = 0; n < w.columns; ++n) {
      const Index panel = n / kPanelColumns;
      const Index lane = n % kPanelColumns;
      const auto integer = static_cast<float>(w.panel(panel)[k * kPanelColumns + lane]);
      const float scale = w.panel_scales(panel)[k / w.group_size * kPanelColumns + lane];
      wrong += to_fp16(integer * scale) == linear.weight.panel(panel)[input * kPanelColumns + lane] ? 0 : 1;
    }
  }
  return wrong;
}

TEST(ExllamaEngine, IntegersAndScalesStandForTheWeightsInEveryLayoutOfTheFormat) {
  ThreadPool pool(2);
  for (const char* model : {"models/tiny-qwen3-gptq", "tests/fixtures/model/tiny-qwen3-gptq-desc-act",
                            "tests/fixtures/model/gptq-asymmetric", "tests/fixtures/model/gptq-group-32",
                            "tests/fixtures/model/gptq-group-all", "tests/fixtures/model/gptq-v2"}) {
    const DecoderWeights weights = load(model, pool);
    for (const DecoderLayer& layer : weights.layers) {
      for (const Linear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
        ASSERT_EQ(mismatches(*linear), 0) << model;
        EXPECT_TRUE(linear->input_order.empty()) << "the half GEMM keeps the rows of the file";
      }
    }
    const bool sorted = std::string(model).ends_with("desc-act");
    EXPECT_NE(weights.layers[0].qkv.integers->input_order.empty(), sorted) << model;
  }
}

// The gathered activations meet their rows: the engine's product by hand.
TEST(ExllamaEngine, DescActGathersTheActivations) {
  ThreadPool pool(2);
  const DecoderWeights weights = load("tests/fixtures/model/tiny-qwen3-gptq-desc-act", pool);
  const Linear& linear = weights.layers[0].down;
  const Index inputs = linear.weight.rows;
  std::vector<float> x;
  for (Index k = 0; k < inputs; ++k) x.push_back(static_cast<float>(k * 37 % 127 - 63) / 64);
  std::vector<float> sorted;
  for (const std::int32_t k : linear.integers->input_order) sorted.push_back(x[static_cast<std::size_t>(k)]);
  const Compute compute{pool, ops_for(fastest_isa(), Dtype::fp16), Device::a100};
  std::vector<float> expected(static_cast<std::size_t>(linear.weight.columns));
  exllama_product(compute, {0, 1}, sorted.data(), *linear.integers, 5, expected.data());
  std::vector<float> actual(expected.size());
  LinearProduct(*choose_kernel("gptq", "vllm-0.11", spec_of(Device::a100), {}), compute)
      .run(linear, 1, {0, 1}, x.data(), actual.data(), 5);
  EXPECT_EQ(actual, expected);
}

TEST(ExllamaEngine, RefusesWhatTheKernelDoesNotTake) {
  ThreadPool pool(1);
  auto bf16 = setup_of("a100");
  bf16.dtype = "bfloat16";
  EXPECT_THAT(open_engine(bf16, pool).error().message(), HasSubstr("kernel exllama: expected dtype float16"));
  const auto eight = setup_of("a100", "tests/fixtures/model/gptq-8bit");
  EXPECT_THAT(open_engine(eight, pool).error().message(), HasSubstr("4 for kernel exllama"));
}

}  // namespace
}  // namespace assay
