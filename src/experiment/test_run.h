// A small run over an engine of hashes, for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "experiment/generate.h"
#include "experiment/test_engine.h"
#include "experiment/verification.h"
#include "record/run_folder.h"

namespace assay {

// Another device gives other bits.
inline RunHooks hash_hooks(const std::string& isa = "avx2") {
  RunHooks hooks;
  hooks.open = [isa](const Setup& setup) -> Result<std::unique_ptr<Engine>> {
    if (setup.quantization == "broken") return Error{"model", "w", "numbers", "nan"};
    return std::unique_ptr<Engine>(
        std::make_unique<HashEngine>(setup.quantization.size(), setup.device, isa));
  };
  return hooks;
}

// Says stop before the unit after `units`.
inline RunHooks stopping_after(int units) {
  RunHooks hooks = hash_hooks();
  hooks.stopped = [left = units]() mutable { return left-- <= 0; };
  return hooks;
}

inline GeneratePlan small_plan() {
  const auto setup = [](const char* name, const char* quantization) {
    return Setup{.name = name,
                 .model = "m",
                 .quantization = quantization,
                 .dtype = "float16",
                 .device = "ieee",
                 .weights_sha256 = "00"};
  };
  return {.file = "e.yaml",
          .setups = {setup("a", "awq"), setup("b", "gptq_marlin")},
          .generate = {.max_new_tokens = 4, .top_k = 3, .last_positions = 3, .runs = 3, .ignore_eos = false},
          .prompt_tokens = 3,
          .prompts = {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}},
          .tokenizer_vocabulary = 40,
          .environment = {{"hostname", "h"}, {"assay_version", "1"}},
          .timestamp = "2026-01-02T03:04:05Z"};
}

inline VerifyPlan verify_plan(const std::filesystem::path& run) {
  return {.file = "e.yaml",
          .record = *read_generation(run),
          .record_file = run.string(),
          .setups = small_plan().setups,
          .replay = Replay::prefill,
          .rule = DistanceRule::every_id,
          .decision = {.alpha = 0.05, .calibration = {}},  // twelve positions a claim
          .environment = small_plan().environment,
          .timestamp = "2026-01-02T04:04:05Z"};
}

inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename()] = *read_text(entry.path());
  }
  return files;
}

class RunFixture : public testing::Test {
 protected:
  RunFixture() { std::filesystem::remove_all(folder_); }
  ~RunFixture() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) / "assay_run_test";
};

}  // namespace assay
