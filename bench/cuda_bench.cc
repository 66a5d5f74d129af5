// The CUDA engine on one GPU: loading, teacher forcing, decode replay, emulation. Medians, beside limits measured in the
// same run: the copy bandwidth and cuBLASLt's FP16 product of 8192 cubed.
//
// Usage: cuda_bench MODEL QUANTIZATION[,QUANTIZATION...] [--device D[,D...]] [--tokens N] [--steps N]
// MODEL: a folder, for example of `assay synth --shape qwen3-8b`. JSON on stdout.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "base/json.h"
#include "checkpoint/config.h"
#include "engine/engine.h"
#include "kernels/cuda/device_matmul.h"
#include "kernels/gpus.h"
#include "kernels/recipes/dense.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& body) {
  const auto start = Clock::now();
  body();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Bytes read and written per second by a copy on the device.
double copy_bandwidth() {
  constexpr std::size_t kBytes = std::size_t{2} << 30;
  const DeviceBuffer<std::byte> from(kBytes);
  const DeviceBuffer<std::byte> to(kBytes);
  std::vector<double> times;
  for (int run = 0; run < 6; ++run) {
    times.push_back(seconds_of([&] {
      check_cuda(cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, nullptr),
                 "cudaMemcpyAsync");
      wait(nullptr);
    }));
  }
  return 2.0 * static_cast<double>(kBytes) / median(times);
}

// FLOP/s of cuBLASLt's FP16 product on random numbers.
double product_rate() {
  constexpr Index kSize = 8192;
  std::vector<std::uint16_t> numbers(kSize * kSize);
  std::uint32_t state = 1;
  for (std::uint16_t& x : numbers) {
    state = state * 1664525U + 1013904223U;
    x = static_cast<std::uint16_t>(0x2800U + (state >> 16 & 0x0fffU) + (state & 0x8000U));  // 2^-5 to 2^-1
  }
  const DeviceBuffer<std::uint16_t> x(std::span<const std::uint16_t>(numbers), nullptr);
  const DeviceBuffer<std::uint16_t> out(numbers.size());
  DeviceMatmul matmul(spec_of(Device::h100).family, Dtype::fp16, nullptr);
  const auto schedule = [&](Index rows) {
    return chain_schedule({.rows = rows, .outputs = kSize, .inputs = kSize, .dtype = Dtype::fp16});
  };
  std::vector<double> times;
  for (int run = 0; run < 8; ++run) {
    times.push_back(seconds_of([&] {
      matmul.run(0, {kSize, {0, kSize}}, schedule, x.data(), {x.data(), {}}, kSize, kSize, out.data());
      wait(nullptr);
    }));
  }
  return 2.0 * kSize * kSize * kSize / median(times);
}

struct Work {
  Index tokens = 8167;  // teacher-forced
  Index steps = 100;    // of them replayed as decode
};

// Multiplications of a teacher-forced pass, times two.
double flops(const ModelConfig& c, double tokens) {
  const double heads = static_cast<double>(c.heads * c.head_dim);
  const double layer =
      static_cast<double>(c.hidden_size) * (2 * heads + 2.0 * static_cast<double>(c.kv_heads * c.head_dim)) +
      3.0 * static_cast<double>(c.hidden_size * c.intermediate_size);
  const double linears =
      static_cast<double>(c.layers) * layer + static_cast<double>(c.hidden_size * c.vocabulary_size);
  return 2 * tokens * linears + static_cast<double>(c.layers) * 2 * heads * tokens * tokens;
}

ScoreRequest request_for(const ModelConfig& config, const Work& work, Replay replay, int variant) {
  ScoreRequest request;
  std::uint32_t state = 7;
  for (Index i = 0; i < work.tokens; ++i) {
    if (i == work.tokens - work.steps) state += static_cast<std::uint32_t>(variant);
    state = state * 1664525U + 1013904223U;
    request.tokens.push_back(
        static_cast<TokenId>((state >> 8) % static_cast<std::uint32_t>(config.vocabulary_size)));
  }
  request.prompt_length = work.tokens - work.steps;
  request.replay = replay;
  const Index first = replay == Replay::decode ? request.prompt_length : 1;
  for (Index i = first; i < work.tokens; ++i) {
    request.asked.push_back({i, {request.tokens[static_cast<std::size_t>(i)]}, 5});
  }
  return request;
}

void must(const Result<Scores>& scores) {
  if (!scores) throw std::runtime_error(scores.error().message());
}

Json measure(const std::string& model, const std::string& quantization, const std::string& device,
             const Work& work, ThreadPool& pool, double product) {
  const Setup setup{.name = quantization,
                    .model = model,
                    .quantization = quantization,
                    .dtype = "float16",
                    .device = device,
                    .weights_sha256 = ""};
  const std::size_t before = current_gpu().free_memory;
  std::unique_ptr<Engine> engine;
  const double load = seconds_of([&] {
    auto opened = open_engine(setup, pool, {.processor = Processor::cuda});
    if (!opened) throw std::runtime_error(opened.error().message());
    engine = *std::move(opened);
  });
  const std::size_t weights = before - current_gpu().free_memory;
  const ModelConfig config = read_config(model).value();
  std::vector<double> forced;
  const ScoreRequest whole = request_for(config, work, Replay::prefill, 0);
  for (int run = 0; run < 4; ++run) {
    engine->forget();
    forced.push_back(seconds_of([&] { must(engine->score(whole)); }));
  }
  forced.erase(forced.begin());  // chooses kernels
  const double prefill = median(forced);
  std::vector<double> decoded;
  for (int variant = 0; variant < 4; ++variant) {
    const ScoreRequest request = request_for(config, work, Replay::decode, variant);
    decoded.push_back(seconds_of([&] { must(engine->score(request)); }));
  }
  decoded.erase(decoded.begin());  // computes the prompt
  const double token = median(decoded) / static_cast<double>(work.steps);
  const double bound = flops(config, static_cast<double>(work.tokens)) / product;
  return {{"quantization", quantization},
          {"device", device},
          {"load_seconds", load},
          {"weights_gb", static_cast<double>(weights) * 1e-9},
          {"beside_weights_gb", static_cast<double>(before - current_gpu().free_memory - weights) * 1e-9},
          {"teacher_forced_tokens", work.tokens},
          {"teacher_forced_seconds", prefill},
          {"teacher_forced_tokens_per_second", static_cast<double>(work.tokens) / prefill},
          {"share_of_product_rate", bound / prefill},
          {"decode_milliseconds_a_token", token * 1e3}};
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

int run(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr,
                 "usage: cuda_bench MODEL QUANTIZATION[,...] [--device D[,D...]] [--tokens N] [--steps N]\n");
    return 2;
  }
  Work work;
  std::vector<std::string> devices = {"h100"};
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    if (option == "--device") devices = split(argv[i + 1]);
    if (option == "--tokens") work.tokens = std::stol(argv[i + 1]);
    if (option == "--steps") work.steps = std::stol(argv[i + 1]);
  }
  ThreadPool pool(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  const double product = product_rate();
  Json report = {{"gpu", current_gpu().name},
                 {"copy_bytes_per_second", copy_bandwidth()},
                 {"product_flops", product},
                 {"runs", Json::array()}};
  for (const std::string& device : devices) {
    for (const std::string& quantization : split(argv[2])) {
      report["runs"].push_back(measure(argv[1], quantization, device, work, pool, product));
    }
  }
  std::cout << report.dump(1) << "\n";
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  try {
    return assay::run(argc, argv);
  } catch (const std::exception& trouble) {
    std::fprintf(stderr, "cuda_bench: %s\n", trouble.what());
    return 2;
  }
}
