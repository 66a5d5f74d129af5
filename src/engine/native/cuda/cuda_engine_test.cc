// The CUDA engine against the CPU engine: every logit of every position, with ==.
#include <gtest/gtest.h>

#include "engine/native/test_setups.h"
#include "kernels/cuda/gpu.h"
#include "kernels/gpus.h"

namespace assay {
namespace {

#define ASSAY_NEEDS_GPU()                                    \
  do {                                                       \
    if (const GpuList list = list_gpus(); list.gpus.empty()) \
      GTEST_SKIP() << "no CUDA GPU here: " << list.reason;   \
  } while (false)

struct Case {
  const char* model;
  const char* quantization;
};
constexpr Case kCases[] = {{"tiny-qwen3", "none"},
                           {"tiny-qwen3-awq", "awq"},
                           {"tiny-qwen3-awq", "awq_marlin"},
                           {"tiny-qwen3-gptq", "gptq_marlin"}};

// All logits of every position: top_k is the vocabulary.
ScoreRequest everything(Index tokens, Index prompt, Replay replay) {
  ScoreRequest request{some_tokens(tokens), prompt, {}, replay};
  for (Index position = 1; position < tokens; ++position) request.asked.push_back({position, {}, 4096});
  return request;
}

// What records ask: the token itself and another, and the top 5.
ScoreRequest as_records_ask(Index tokens, Index prompt, Replay replay) {
  ScoreRequest request{some_tokens(tokens), prompt, {}, replay};
  for (Index position = 1; position < tokens; ++position) {
    request.asked.push_back({position, {request.tokens[static_cast<std::size_t>(position)], 7}, 5});
  }
  return request;
}

std::unique_ptr<Engine> open(const Setup& setup, ThreadPool& pool, Processor processor) {
  auto engine = open_engine(setup, pool, {.processor = processor});
  if (!engine) throw Fault(engine.error().message());
  return *std::move(engine);
}

std::vector<PositionScores> scores_of(Engine& engine, const ScoreRequest& request) {
  auto scores = engine.score(request);
  if (!scores) throw Fault(scores.error().message());
  return scores->positions;
}

// Positions whose scores differ; none where all is well.
std::string differences(const std::vector<PositionScores>& a, const std::vector<PositionScores>& b) {
  std::string found = a.size() == b.size() ? "" : "other sizes";
  int count = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] == b[i]) continue;
    if (++count <= 3) found += " position " + std::to_string(a[i].position);
  }
  return found + (count > 3 ? " and " + std::to_string(count - 3) + " more" : "");
}

void expect_equal_bits(const char* device, Index tokens, Index prompt, Replay replay) {
  ThreadPool pool(static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
  for (const Case& c : kCases) {
    const assay::Setup setup = setup_of(c.model, c.quantization, device);
    const auto cpu = open(setup, pool, Processor::cpu);
    const auto cuda = open(setup, pool, Processor::cuda);
    const auto all = everything(tokens, prompt, replay);
    EXPECT_EQ(differences(scores_of(*cuda, all), scores_of(*cpu, all)), "")
        << c.quantization << " on " << device << ", " << tokens << " tokens";
    const auto asked = as_records_ask(tokens, prompt, replay);
    cuda->forget();
    EXPECT_EQ(differences(scores_of(*cuda, asked), scores_of(*cpu, asked)), "")
        << c.quantization << " on " << device;
  }
}

TEST(CudaEngine, PrefillIsTheCpusOnTensorCores) {
  ASSAY_NEEDS_GPU();
  for (const Index tokens : {2, 17, 70, 300}) expect_equal_bits("h100", tokens, tokens - 1, Replay::prefill);
}

TEST(CudaEngine, DecodeIsTheCpusOnTensorCores) {
  ASSAY_NEEDS_GPU();
  expect_equal_bits("h100", 80, 64, Replay::decode);
  expect_equal_bits("h100", 300, 290, Replay::decode);
}

TEST(CudaEngine, OtherDevicesAreTheCpus) {
  ASSAY_NEEDS_GPU();
  for (const char* device : {"a100", "ieee", "exact", "l40s", "h20", "b200"}) {
    expect_equal_bits(device, 80, 70, Replay::prefill);
    expect_equal_bits(device, 80, 70, Replay::decode);
  }
  expect_equal_bits("a100", 300, 290, Replay::decode);
}

TEST(CudaEngine, BfloatIsTheCpus) {
  ASSAY_NEEDS_GPU();
  ThreadPool pool(4);
  for (const char* device : {"h100", "a100"}) {
    assay::Setup setup = setup_of("tiny-qwen3", "none", device);
    setup.dtype = "bfloat16";
    const auto all = everything(150, 140, Replay::decode);
    EXPECT_EQ(differences(scores_of(*open(setup, pool, Processor::cuda), all),
                          scores_of(*open(setup, pool, Processor::cpu), all)),
              "")
        << device;
  }
}

TEST(CudaEngine, TwiceIsTheSame) {
  ASSAY_NEEDS_GPU();
  ThreadPool pool(2);
  const auto engine = open(setup_of("tiny-qwen3-awq", "awq_marlin", "h100"), pool, Processor::cuda);
  const auto request = as_records_ask(200, 190, Replay::decode);
  const auto first = scores_of(*engine, request);
  for (int again = 0; again < 3; ++again) {
    engine->forget();
    EXPECT_EQ(scores_of(*engine, request), first);
  }
}

// Continuations of one prompt go through each step together.
TEST(CudaEngine, BatchedContinuationsAreThoseOfEachAlone) {
  ASSAY_NEEDS_GPU();
  ThreadPool pool(4);
  for (const Case& c : kCases) {
    const auto setup = setup_of(c.model, c.quantization, "h100");
    std::vector<ScoreRequest> requests;
    for (Index i = 0; i < 8; ++i) {
      ScoreRequest request = as_records_ask(100 - i, 77, Replay::decode);
      for (std::size_t at = 77; at < request.tokens.size(); ++at) {
        request.tokens[at] = static_cast<TokenId>((at * 31 + static_cast<std::size_t>(i) * 577) % 4000);
      }
      request.check_tokens = i % 2 == 0;
      requests.push_back(std::move(request));
    }
    const auto engine = open(setup, pool, Processor::cuda);
    const auto together = engine->score_together(requests);
    ASSERT_TRUE(together.ok());
    const Index computed = engine->tokens_computed();
    EXPECT_LT(computed, 77 + 8 * 23) << "the prompt goes through once";
    const auto cpu = open(setup, pool, Processor::cpu);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_EQ((*together)[i], *cpu->score(requests[i])) << c.quantization << " " << i;
      EXPECT_EQ((*together)[i], *engine->score(requests[i])) << c.quantization << " " << i;
    }
  }
}

TEST(CudaEngine, GeneratesWhatTheCpuGenerates) {
  ASSAY_NEEDS_GPU();
  ThreadPool pool(4);
  for (const Case& c : kCases) {
    const assay::Setup setup = setup_of(c.model, c.quantization, "h100");
    GenerateRequest request{.prompt = some_tokens(90), .max_new_tokens = 12, .top_k = 5, .last_positions = 0};
    request.sampling = {Sampler::exponential_race, 0.8, 11};
    auto cuda = open(setup, pool, Processor::cuda)->generate(request);
    auto cpu = open(setup, pool, Processor::cpu)->generate(request);
    ASSERT_TRUE(cuda.ok() && cpu.ok());
    EXPECT_EQ(cuda->generated_ids, cpu->generated_ids);
    EXPECT_EQ(differences(cuda->prefill, cpu->prefill), "");
    EXPECT_EQ(differences(cuda->decode, cpu->decode), "");
  }
}

TEST(CudaEngine, SaysHowMuchMemoryItNeedsBeforeItLoads) {
  ASSAY_NEEDS_GPU();
  ThreadPool pool(2);
  const DeviceBuffer<std::byte> taken(current_gpu().free_memory - (std::size_t{64} << 20));
  const auto engine =
      open_engine(setup_of("tiny-qwen3", "none", "h100"), pool, {.processor = Processor::cuda});
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message().find("device memory: expected 0."), std::string::npos)
      << engine.error().message();
}

TEST(CudaEngine, SaysWhatRan) {
  ASSAY_NEEDS_GPU();
  ThreadPool pool(2);
  const auto engine = open(setup_of("tiny-qwen3-awq", "awq", "a100"), pool, Processor::any);
  EXPECT_EQ(lookup(engine->describe(), "processor"), "cuda");
  EXPECT_EQ(lookup(engine->describe(), "device"), "a100");
  EXPECT_EQ(lookup(engine->describe(), "tensor_cores"), current_gpu().capability < 90 ? "yes" : "no");
}

TEST(CudaEngine, SaysWhatItCannotRun) {
  ThreadPool pool(1);
  const auto engine =
      open_engine(setup_of("tiny-qwen3-gptq", "gptq", "h100"), pool, {.processor = Processor::cuda});
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message().find("processor"), std::string::npos) << engine.error().message();
}

}  // namespace
}  // namespace assay
