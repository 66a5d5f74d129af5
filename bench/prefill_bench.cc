// CPU prefill: tokens a second, the time over that of `ieee`, and the share of the multiply-add peak measured
// in the same run, as JSON. Usage: prefill_bench MODEL [TOKENS=2048] [THREADS=hardware]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "base/json.h"
#include "bench/fma_peak.h"
#include "checkpoint/config.h"
#include "checkpoint/layout.h"
#include "emulator/device.h"
#include "engine/engine.h"
#include "hub/hub.h"

namespace assay {
namespace {

// Multiply-adds of a prefill whose last position alone is scored: linear layers, causal attention, one row of
// logits.
double multiply_adds(const ModelConfig& config, Index tokens) {
  const auto t = static_cast<double>(tokens);
  double linear = 0;
  for (const LinearLayer& layer : decoder_linears(config, 0)) {
    linear += static_cast<double>(layer.inputs) * static_cast<double>(layer.outputs);
  }
  const double attention = 2 * static_cast<double>(config.heads * config.head_dim) * t * (t + 1) / 2;
  const double logits = static_cast<double>(config.hidden_size) * static_cast<double>(config.vocabulary_size);
  return static_cast<double>(config.layers) * (linear * t + attention) + logits;
}

Result<Json> measure(const std::string& model, Index tokens, int threads) {
  auto folder = resolve_model(model);
  if (!folder) return folder.error();
  auto config = read_config(*folder);
  if (!config) return config.error();
  const std::string quantization =
      !config->quantization
          ? "none"
          : (config->quantization->method == QuantizationMethod::awq ? "awq" : "gptq_marlin");

  ThreadPool pool(threads);
  ScoreRequest request;
  for (Index i = 0; i <= tokens; ++i) {
    request.tokens.push_back(static_cast<TokenId>((i * 7919 + 13) % config->vocabulary_size));
  }
  request.prompt_length = tokens;
  request.asked = {{tokens, {}, 5}};

  Json results = Json::array();
  const double peak = measure_fma_peak(threads);
  std::optional<double> ieee_seconds;  // the first device's
  for (const Device device : {Device::ieee, Device::exact, Device::a100, Device::h100}) {
    auto engine = open_engine({.name = "bench",
                               .model = model,
                               .quantization = quantization,
                               .dtype = "float16",
                               .device = std::string(name_of(device)),
                               .weights_sha256 = ""},
                              pool, {.processor = Processor::cpu});
    if (!engine) return engine.error();
    std::vector<double> seconds;
    for (int run = 0; run < 6; ++run) {
      (*engine)->forget();
      const auto start = std::chrono::steady_clock::now();
      if (auto scores = (*engine)->score(request); !scores) return scores.error();
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    seconds.erase(seconds.begin());  // the first run touches fresh memory
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    if (!ieee_seconds) ieee_seconds = median;
    const double rate = multiply_adds(*config, tokens) / median;
    results.push_back({{"device", name_of(device)},
                       {"seconds_median", median},
                       {"time_over_ieee", median / *ieee_seconds},
                       {"tokens_per_second", static_cast<double>(tokens) / median},
                       {"gmac_per_second", rate / 1e9},
                       {"share_of_fma_peak", rate / peak}});
  }
  return Json{{"model", model},
              {"quantization", quantization},
              {"tokens", tokens},
              {"threads", threads},
              {"isa", name_of(fastest_isa())},
              {"fma_peak_gmac_per_second", peak / 1e9},
              {"runs", 5},
              {"results", results}};
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: prefill_bench MODEL [TOKENS=2048] [THREADS=hardware]\n");
    return 2;
  }
  const assay::Index tokens = argc > 2 ? std::atol(argv[2]) : 2048;
  const int threads = argc > 3 ? std::atoi(argv[3]) : static_cast<int>(std::thread::hardware_concurrency());
  const auto result = assay::measure(argv[1], tokens, threads);
  if (!result) {
    std::fprintf(stderr, "prefill_bench: %s\n", result.error().message().c_str());
    return 2;
  }
  std::printf("%s\n", result->dump(2).c_str());
  return 0;
}
