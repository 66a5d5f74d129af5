#include "experiment/calibration.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "experiment/test_engine.h"
#include "verify/calibration_file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class Calibrate : public testing::Test {
 protected:
  Calibrate() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Calibrate() override { fs::remove_all(folder_); }

  // A text of its own, a tiny model.
  Result<CalibratePlan> plan(const CalibrateOptions& options, Index references = 10) const {
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 200; ++i)
      text << "Line " << i << " says how to read a file of kind " << i * i << ".\n";
    text.close();
    const std::string model = std::string(ASSAY_SOURCE_DIR) + "/models/tiny-qwen3-awq";
    std::ofstream(folder_ / "e.yaml")
        << "prompts: {documents: [text.txt], tokens: 12, references: " << references
        << ", question: \"Why?\"}\ngenerate: {max_new_tokens: 2}\nsetups:\n  awq: {model: " << model
        << ", quantization: awq}\n";
    const auto experiment = read_experiment(folder_ / "e.yaml");
    if (!experiment) return experiment.error();
    ThreadPool pool(2);
    return plan_calibrate(*experiment, options, pool);
  }

  fs::path folder_ = fs::path(testing::TempDir()) / "assay_calibrate_test";
};

CalibrateOptions two_devices() {
  CalibrateOptions options;
  options.devices = {"a100", "h100"};
  options.verifier_devices = {"h100"};
  options.prompts_a_claim = 2;
  return options;
}

// Two setups of hashes; ten prompts, two to fit, six to score, two to test.
CalibratePlan hash_plan() {
  CalibratePlan plan;
  plan.options = two_devices();
  plan.base.file = "e.yaml";
  plan.verifier_file = "e.yaml";
  plan.base.generate = {.max_new_tokens = 3, .top_k = 3, .last_positions = 3};
  plan.base.prompt_tokens = 3;
  plan.base.environment = {{"assay_version", "1"}, {"numerics_version", "1"}};
  plan.base.timestamp = "2026-01-02T03:04:05Z";
  for (TokenId prompt = 0; prompt < 10; ++prompt) plan.base.prompts.push_back({prompt, 2, 3, 4, 5});
  for (const char* quantization : {"awq", "gptq_marlin"}) {
    plan.base.setups.push_back(
        {.name = quantization, .model = "m", .quantization = quantization, .dtype = "float16", .device = ""});
  }
  for (const char* device : {"a100", "h200"}) {
    for (assay::Setup setup : plan.base.setups) {
      setup.device = device;
      plan.provers.push_back(setup);
      if (setup.device == "h200") plan.verifiers.push_back(setup);
    }
  }
  plan.split = {.fit = 2, .calibration = 6, .prompts_a_claim = 2};
  return plan;
}

CalibrateHooks hash_hooks(std::atomic<int>* scored = nullptr) {
  CalibrateHooks hooks;
  hooks.open = [scored](const Setup& setup, ThreadPool&) -> Result<std::unique_ptr<Engine>> {
    if (setup.quantization == "broken") return Error{"", "device", "one of ours", setup.device};
    if (scored != nullptr) ++*scored;
    return std::unique_ptr<Engine>(
        std::make_unique<HashEngine>(setup.quantization.size(), setup.device, "avx2"));
  };
  return hooks;
}

CalibrateHooks stopping_after(int units) {
  CalibrateHooks hooks = hash_hooks();
  hooks.stopped = [left = units]() mutable { return left-- <= 0; };
  return hooks;
}

// The bytes of the calibration that a run on `threads` makes.
std::string bytes_of(const fs::path& folder, int threads = 1, const CalibrateHooks& hooks = hash_hooks()) {
  ThreadPool pool(threads);
  const auto made = run_calibrate(hash_plan(), folder, pool, hooks);
  if (!made) return made.error().message();
  return made->has_value() ? *read_text(folder / kCalibrationFile) : "stopped";
}

// --- The plan. ---

TEST_F(Calibrate, SplitsAFifthThreeFifthsAndTheRest) {
  const auto made = plan(two_devices());
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->split.fit, 2);
  EXPECT_EQ(made->split.calibration, 6);
  EXPECT_EQ(made->split.prompts_a_claim, 2);
  EXPECT_EQ(made->base.prompts.size(), 10U);
  ASSERT_EQ(made->provers.size(), 2U);
  EXPECT_EQ(made->provers[1].device, "h100");
  EXPECT_EQ(made->verifiers.size(), 1U);
  EXPECT_FALSE(made->base.setups[0].weights_sha256.empty());
}

// Servers of the first file make the runs, native setups of the second re-execute them.
TEST_F(Calibrate, AnotherFilesSetupsReexecute) {
  ASSERT_TRUE(plan(two_devices()));
  const std::string native = *read_text(folder_ / "e.yaml");
  const auto file = [&](const char* name, const std::string& old, const std::string& text) {
    std::string changed = native;
    changed.replace(changed.find(old), old.size(), text);
    std::ofstream(folder_ / name) << changed;
    return *read_experiment(folder_ / name);
  };
  const std::string server = "quantization: awq, engine: vllm, endpoint: 'http://localhost:1'";
  const Experiment served = file("s.yaml", "quantization: awq", server);
  const auto refusal = [&](auto change) {
    CalibrateOptions options = two_devices();
    options.devices.clear();
    options.verifiers = *read_experiment(folder_ / "e.yaml");
    change(options);
    ThreadPool pool(2);
    const auto made = plan_calibrate(served, options, pool);
    if (!made) return made.error().message();
    EXPECT_EQ(made->provers.size(), 1U);
    EXPECT_TRUE(made->provers[0].server);
    EXPECT_EQ(made->verifiers[0].device, "h100");
    EXPECT_FALSE(made->verifiers[0].weights_sha256.empty());
    return std::string("accepted");
  };
  EXPECT_EQ(refusal([](auto&) {}), "accepted");
  EXPECT_THAT(refusal([](auto& o) { o.devices = {"a100"}; }),
              HasSubstr("s.yaml: --device: expected no device: every setup is a server's"));
  EXPECT_THAT(refusal([](auto& o) { o.verifiers.reset(); }), HasSubstr("s.yaml: --verifier-device"));
  EXPECT_THAT(refusal([](auto& o) { o.verifier_devices.clear(); }), HasSubstr("e.yaml: --verifier-device"));
  EXPECT_THAT(refusal([&](auto& o) { o.verifiers = file("n.yaml", "  awq:", "  awq2:"); }),
              HasSubstr("s.yaml: setups.awq2: expected a setup, as "));
  EXPECT_THAT(
      refusal(
          [&](auto& o) { o.verifiers = file("q.yaml", "quantization: awq", "quantization: awq_marlin"); }),
      AllOf(HasSubstr("q.yaml: setups.awq.quantization: expected awq, as "), HasSubstr("awq_marlin")));
}

// Cuts of a text come in its order; its parts must not be those of the split.
TEST_F(Calibrate, PromptsAreShuffledTheSameWayEveryTime) {
  const auto made = plan(two_devices());
  const auto again = plan(two_devices());
  const auto experiment = read_experiment(folder_ / "e.yaml");
  ASSERT_TRUE(made && again && experiment);
  ThreadPool pool(2);
  const auto in_order = plan_generate(*experiment, pool);
  ASSERT_TRUE(in_order);
  EXPECT_EQ(made->base.prompts, again->base.prompts);
  EXPECT_NE(made->base.prompts, in_order->prompts);
  EXPECT_THAT(made->base.prompts, testing::UnorderedElementsAreArray(in_order->prompts));
}

TEST_F(Calibrate, RefusesASplitThatLeavesNothing) {
  const auto refusal = [&](auto change) {
    CalibrateOptions options = two_devices();
    change(options);
    const auto made = plan(options);
    return made ? "accepted" : made.error().message();
  };
  EXPECT_THAT(refusal([](auto& o) { o.fit = 10; }),
              AllOf(HasSubstr("e.yaml: prompts.references"), HasSubstr("found 10, 6 and -6")));
  EXPECT_THAT(refusal([](auto& o) { o.calibration = 7; }),
              HasSubstr("expected prompts to fit, to calibrate, and at least 2 to test, found 2, 7 and 1"));
  EXPECT_THAT(refusal([](auto& o) { o.prompts_a_claim = 3; }),
              HasSubstr("at least 3 to test, found 2, 6 and 2"));
  EXPECT_THAT(refusal([](auto& o) { o.devices.clear(); }), HasSubstr("--device"));
  EXPECT_THAT(refusal([](auto& o) { o.verifier_devices.clear(); }), HasSubstr("--verifier-device"));
  EXPECT_THAT(plan(two_devices(), 3).error().message(), HasSubstr("found 0, 1 and 2"));
}

TEST_F(Calibrate, APromiseThatTheTestPromptsCannotKeepIsRefusedWithItsNumbers) {
  CalibrateOptions options = two_devices();
  options.promise = 0.01;
  EXPECT_THAT(
      plan(options).error().message(),
      HasSubstr(
          "expected at least 598 test prompts (299 claims of 2) to promise a rate of 0.01: no false alarm "
          "in n claims bounds it by 3/n, found 2 test prompts"));
  options.promise = 0.5;  // five claims without a false alarm
  EXPECT_THAT(plan(options).error().message(), HasSubstr("at least 10 test prompts (5 claims of 2)"));
  options.fit = 1;
  options.calibration = 1;
  options.prompts_a_claim = 1;
  EXPECT_TRUE(plan(options));
}

// --- The run. ---

TEST_F(Calibrate, WritesTheFileAndMakesItAgainFromItsRuns) {
  ThreadPool pool(1);
  const auto made = run_calibrate(hash_plan(), folder_ / "c", pool, hash_hooks());
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_TRUE(made->has_value());
  const Calibration& calibration = **made;
  EXPECT_EQ(calibration.cells.size(), 4U);
  EXPECT_EQ(calibration.setups.size(), 2U);
  EXPECT_EQ(calibration.setups[0].device, "");
  EXPECT_EQ(calibration.replay, "prefill");
  EXPECT_EQ(calibration.settings.top_k, 3);
  EXPECT_EQ(calibration.settings.references, 10);
  EXPECT_EQ(lookup(calibration.environment, "numerics_version"), "1");
  EXPECT_EQ(calibration.prefill_positions, 3);
  EXPECT_EQ(calibration.decode_positions, 3);
  EXPECT_EQ(calibration.test_prompts, 2);
  const auto read = read_calibration(folder_ / "c" / kCalibrationFile);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(calibration_to_json(*read), calibration_to_json(calibration));
  fs::remove(folder_ / "c" / kCalibrationFile);
  CalibratePlan other = hash_plan();
  other.split.fit -= 1;  // another split of the same runs
  const auto again = run_calibrate(other, folder_ / "c", pool, hash_hooks());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ((*again)->test_prompts, 3);
  EXPECT_EQ((*again)->coincidence, calibration.coincidence);
}

TEST_F(Calibrate, OneThreadAndTwoGiveTheSameBytes) {
  const std::string one = bytes_of(folder_ / "one", 1);
  EXPECT_EQ(one, bytes_of(folder_ / "two", 2));
  EXPECT_GT(one.size(), 1000U);
}

// Units: ten prompts under each of four provers and two verifiers.
TEST_F(Calibrate, StoppedAnywhereItResumesToTheSameBytes) {
  const std::string whole = bytes_of(folder_ / "whole");
  for (const int units : {1, 13, 39, 41, 55, 59}) {
    const fs::path run = folder_ / ("run" + std::to_string(units));
    EXPECT_EQ(bytes_of(run, 1, stopping_after(units)), "stopped") << units;
    EXPECT_FALSE(fs::exists(run / kCalibrationFile));
    std::ofstream(run / "progress.jsonl", std::ios::app) << "{\"setup\": \"awq@a1";  // torn
    EXPECT_EQ(bytes_of(run, 2), whole) << units;
  }
}

TEST_F(Calibrate, ACompleteFolderIsNotOverwritten) {
  const std::string whole = bytes_of(folder_ / "c");
  EXPECT_THAT(bytes_of(folder_ / "c"),
              HasSubstr("calibration.json: expected no calibration yet, found a complete one"));
  EXPECT_EQ(*read_text(folder_ / "c" / kCalibrationFile), whole);
}

TEST_F(Calibrate, AnotherPlanDoesNotResume) {
  ASSERT_EQ(bytes_of(folder_ / "c", 1, stopping_after(5)), "stopped");
  const auto refusal = [&](auto change) {
    CalibratePlan plan = hash_plan();
    change(plan);
    ThreadPool pool(1);
    const auto made = run_calibrate(plan, folder_ / "c", pool, hash_hooks());
    return made ? "accepted" : made.error().message();
  };
  EXPECT_THAT(refusal([](auto& plan) { plan.base.generate.top_k = 2; }), HasSubstr("top_k: expected 3"));
  EXPECT_THAT(refusal([](auto& plan) { plan.base.prompts[4][1] = 9; }), HasSubstr("prompts"));
  EXPECT_THAT(refusal([](auto& plan) { plan.options.replay = Replay::decode; }), HasSubstr("replay"));
  EXPECT_THAT(refusal([](auto& plan) { plan.provers[0].kernel = "marlin_b"; }), HasSubstr("kernel"));
  EXPECT_THAT(refusal([](auto& plan) { plan.base.environment[1].second = "2"; }),
              HasSubstr("numerics_version"));
}

TEST_F(Calibrate, RefusesBeforeAnythingIsWritten) {
  const auto refusal = [&](auto change) {
    CalibratePlan plan = hash_plan();
    change(plan);
    ThreadPool pool(1);
    const auto made = run_calibrate(plan, folder_ / "c", pool, hash_hooks());
    EXPECT_FALSE(fs::exists(folder_ / "c"));
    return made ? "accepted" : made.error().message();
  };
  EXPECT_THAT(refusal([](auto& plan) { plan.verifiers[1].quantization = "broken"; }),
              HasSubstr("e.yaml: setups.gptq_marlin.device: expected one of ours"));
  EXPECT_THAT(refusal([](auto& plan) { plan.base.prompts[7][0] = kVocabulary; }),
              HasSubstr("prompts[7] under awq"));
  EXPECT_THAT(refusal([](auto& plan) { plan.base.generate.max_new_tokens = 60; }),
              HasSubstr("at most 64 tokens"));
}

TEST_F(Calibrate, OpensOneEngineForEachThreadAndSetup) {
  std::atomic<int> opened = 0;
  bytes_of(folder_ / "c", 1, hash_hooks(&opened));
  EXPECT_EQ(opened, 2 * 6);  // once to check, once to run
}

}  // namespace
}  // namespace assay
