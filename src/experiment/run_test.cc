// Runs over an engine of hashes: order, resumption and refusals do not depend on arithmetic.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "base/file.h"
#include "base/sha256.h"
#include "experiment/generate.h"
#include "experiment/test_engine.h"
#include "experiment/verification.h"
#include "record/run_folder.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Another device gives other bits.
RunHooks hash_hooks(const std::string& isa = "avx2") {
  RunHooks hooks;
  hooks.open = [isa](const Setup& setup) -> Result<std::unique_ptr<Engine>> {
    if (setup.quantization == "broken") return Error{"model", "w", "numbers", "nan"};
    return std::unique_ptr<Engine>(
        std::make_unique<HashEngine>(setup.quantization.size(), setup.device, isa));
  };
  return hooks;
}

// Says stop before the unit after `units`.
RunHooks stopping_after(int units) {
  RunHooks hooks = hash_hooks();
  hooks.stopped = [left = units]() mutable { return left-- <= 0; };
  return hooks;
}

GeneratePlan small_plan() {
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

VerifyPlan verify_plan(const fs::path& run) {
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

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename()] = *read_text(entry.path());
  }
  return files;
}

class Run : public testing::Test {
 protected:
  Run() { fs::remove_all(folder_); }
  ~Run() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::path(testing::TempDir()) / "assay_run_test";
};

TEST_F(Run, GenerateThenVerifyIsConsistent) {
  const auto made = run_generate(small_plan(), folder_ / "run", hash_hooks());
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_TRUE(made->has_value());
  EXPECT_THAT(
      contents(folder_ / "run"),
      testing::UnorderedElementsAre(testing::Key("manifest.json"), testing::Key("sequences.jsonl"),
                                    testing::Key("logprobs.safetensors"), testing::Key("metrics.json")));
  const Record record = *read_generation(folder_ / "run");
  EXPECT_EQ(record.generations.size(), 4U);
  ASSERT_EQ(record.noise_floors.size(), 2U);
  EXPECT_EQ(record.noise_floors[0].runs, 3);
  EXPECT_EQ(record.noise_floors[0].prefill, 0);

  const auto verified = run_verify(verify_plan(folder_ / "run"), folder_ / "verified", hash_hooks());
  ASSERT_TRUE(verified) << verified.error().message();
  EXPECT_EQ((*verified)->verdict.outcome, Outcome::consistent);
  EXPECT_EQ((*verified)->prefill.matrix[0][0], 0);
  EXPECT_GT((*verified)->prefill.matrix[0][1], 0);
  EXPECT_TRUE(fs::exists(folder_ / "verified/verdict.json"));
}

TEST_F(Run, SetupsOfOneModelHaveItsHash) {
  std::vector<assay::Setup> setups = small_plan().setups;
  setups.push_back(setups[0]);
  for (const auto& [setup, model] : {std::pair{0, "x"}, {1, "y"}, {2, "x"}}) {
    fs::create_directories(folder_ / model);
    std::ofstream(folder_ / model / "config.json") << model;
    setups[static_cast<std::size_t>(setup)].model = (folder_ / model).string();
  }
  ThreadPool pool(2);
  const auto hashed = *hash_setups(setups, pool);
  EXPECT_EQ(hashed[0].weights_sha256, sha256_hex(sha256_hex("x") + "  config.json\n"));
  EXPECT_EQ(hashed[1].weights_sha256, sha256_hex(sha256_hex("y") + "  config.json\n"));
  EXPECT_EQ(hashed[2].weights_sha256, hashed[0].weights_sha256);
}

TEST_F(Run, EveryTokenIsCheckedAgainstTheClaimsSampling) {
  for (const bool draws : {false, true}) {
    GeneratePlan plan = small_plan();
    if (draws) plan.generate.sampling = {.sampler = Sampler::inverse_cdf, .temperature = 0.5, .seed = 7};
    fs::remove_all(folder_);
    ASSERT_TRUE(run_generate(plan, folder_ / "run", hash_hooks()));
    const Record record = *read_generation(folder_ / "run");
    EXPECT_EQ(record.settings.sampling, plan.generate.sampling);
    EXPECT_EQ(record.noise_floors[0].decode, 0) << "repeats have the same seed";
    EXPECT_NE(record.generations[0].generated_ids, record.generations[1].generated_ids);
    ASSERT_TRUE(run_verify(verify_plan(folder_ / "run"), folder_ / "verified", hash_hooks()));
    const Verification verification = *read_verification(folder_ / "verified");
    EXPECT_EQ(verification.claims, record.generations);
    EXPECT_EQ(verification.claimed_settings, record.settings);
    ASSERT_EQ(verification.reexecutions.size(), 8U);
    for (const Reexecution& run : verification.reexecutions) {
      ASSERT_EQ(run.tokens.size(), 4U);
      if (run.claimed != run.verifier) continue;
      for (const TokenCheck& check : run.tokens) EXPECT_EQ(check.margin, 0) << run.claimed << run.reference;
    }
  }
}

TEST_F(Run, AClaimOfAnotherSetupIsRefuted) {
  GeneratePlan plan = small_plan();
  std::swap(plan.setups[0].quantization, plan.setups[1].quantization);  // "a" lies about what it ran
  ASSERT_TRUE(run_generate(plan, folder_ / "run", hash_hooks()));
  const auto verified = run_verify(verify_plan(folder_ / "run"), folder_ / "verified", hash_hooks());
  ASSERT_TRUE(verified) << verified.error().message();
  EXPECT_EQ((*verified)->verdict.outcome, Outcome::refuted);
}

TEST_F(Run, StoppedAnywhereItResumesWithTheSameBits) {
  ASSERT_TRUE(run_generate(small_plan(), folder_ / "whole", hash_hooks()));
  const auto whole = contents(folder_ / "whole");
  for (int units = 0; units < 8; ++units) {
    const fs::path run = folder_ / ("run" + std::to_string(units));
    const auto partial = run_generate(small_plan(), run, stopping_after(units));
    ASSERT_TRUE(partial) << partial.error().message();
    EXPECT_FALSE(partial->has_value());
    EXPECT_EQ(fs::exists(run), units > 0);
    // A torn line is dropped; what the resuming host says of itself is not taken over.
    if (units > 0) std::ofstream(run / "progress.jsonl", std::ios::app) << "{\"setup\": \"a\", \"refe";
    GeneratePlan later = small_plan();
    if (units > 0) later.timestamp = "2027-01-01T00:00:00Z";
    const auto resumed = run_generate(later, run, stopping_after(8 - units));
    ASSERT_TRUE(resumed) << resumed.error().message();
    ASSERT_TRUE(resumed->has_value());
    EXPECT_EQ(contents(run), whole) << units;
  }
}

TEST_F(Run, AStoppedVerificationResumesWithTheSameBits) {
  ASSERT_TRUE(run_generate(small_plan(), folder_ / "run", hash_hooks()));
  const VerifyPlan plan = verify_plan(folder_ / "run");
  ASSERT_TRUE(run_verify(plan, folder_ / "whole", hash_hooks()));
  ASSERT_FALSE(run_verify(plan, folder_ / "part", stopping_after(5))->has_value());
  ASSERT_TRUE(run_verify(plan, folder_ / "part", hash_hooks())->has_value());
  EXPECT_EQ(contents(folder_ / "part"), contents(folder_ / "whole"));
}

TEST_F(Run, AnotherPlanDoesNotResume) {
  ASSERT_FALSE(run_generate(small_plan(), folder_ / "run", stopping_after(2))->has_value());
  const auto before = contents(folder_ / "run");
  const auto refusal = [&](auto change) {
    GeneratePlan plan = small_plan();
    change(plan);
    const auto made = run_generate(plan, folder_ / "run", hash_hooks());
    return made ? "accepted" : made.error().message();
  };
  EXPECT_THAT(refusal([](auto& plan) { plan.generate.top_k = 2; }), HasSubstr("top_k: expected 3"));
  EXPECT_THAT(refusal([](auto& plan) { plan.generate.sampling.seed = 3; }), HasSubstr("sampling/seed"));
  EXPECT_THAT(refusal([](auto& plan) { plan.prompts[1][0] = 11; }), HasSubstr("prompts_sha256"));
  EXPECT_THAT(refusal([](auto& plan) { plan.setups[1].weights_sha256 = "01"; }),
              HasSubstr("setups/b/weights_sha256"));
  EXPECT_THAT(refusal([](auto& plan) { plan.setups.pop_back(); }), HasSubstr("setups/b"));
  EXPECT_THAT(refusal([](auto& plan) { plan.setups[0].profile = "vllm-0.12"; }),
              HasSubstr("setups/a/profile: expected \"vllm-0.11\""));
  EXPECT_THAT(refusal([](auto& plan) { plan.setups[0].kernel = "marlin_b"; }), HasSubstr("setups/a/kernel"));
  EXPECT_THAT(refusal([](auto& plan) { plan.setups[0].prefill_tokens = 64; }), HasSubstr("prefill_tokens"));
  EXPECT_EQ(contents(folder_ / "run"), before);
}

TEST_F(Run, TheRecordSaysWhatRanAtTheFirstStart) {
  ASSERT_FALSE(run_generate(small_plan(), folder_ / "run", stopping_after(2))->has_value());
  const auto resume = [&](const RunHooks& hooks) {
    return run_generate(small_plan(), folder_ / "run", hooks);
  };
  RunHooks changed = hash_hooks();
  changed.open = [](const assay::Setup&) -> Result<std::unique_ptr<Engine>> {
    return std::unique_ptr<Engine>(std::make_unique<HashEngine>(3, "another kernel", "avx2"));
  };
  EXPECT_THAT(resume(changed).error().message(),
              HasSubstr("ran/a/device: expected ieee, as the interrupted run has it, found another kernel"));
  ASSERT_TRUE(resume(hash_hooks("avx512"))->has_value());  // an instruction set changes no bit
  const Record record = *read_generation(folder_ / "run");
  for (const assay::Setup& setup : record.setups) {
    EXPECT_EQ(setup.ran, (Environment{{"device", "ieee"}, {"isa", "avx2"}}));
  }
}

// By folder name: a shard's index, and how it differs.
void write_shards(const GeneratePlan& plan, const fs::path& folder, Index count) {
  for (Index i = 1; i <= count; ++i) {
    const fs::path shard = folder / std::to_string(i);
    GeneratePlan own = plan;
    if (i > 1) own.timestamp = "2027-01-01T00:00:00Z";
    // stopped and resumed, as any run
    ASSERT_FALSE(*run_generate_shard(own, {i, count}, shard, stopping_after(1)));
    const auto done = run_generate_shard(own, {i, count}, shard, hash_hooks());
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(*done);
    EXPECT_FALSE(fs::exists(shard / "manifest.json"));
  }
}

TEST_F(Run, MergedShardsAreTheWholeRun) {
  GeneratePlan plan = small_plan();
  plan.prompts.push_back({11, 12, 13, 14, 15});
  plan.generate.sampling = {.sampler = Sampler::inverse_cdf, .temperature = 0.5, .seed = 7};
  ASSERT_TRUE(run_generate(plan, folder_ / "whole", hash_hooks()));
  for (const Index count : {1, 2, 3}) {
    const fs::path shards = folder_ / ("of" + std::to_string(count));
    write_shards(plan, shards, count);
    std::vector<fs::path> folders;
    for (Index i = count; i >= 1; --i) folders.push_back(shards / std::to_string(i));
    for (int times = 0; times < 2; ++times) {  // the second finds the first's result
      const auto merged = merge_runs(folders, shards / "merged", {});
      ASSERT_TRUE(merged) << merged.error().message();
      EXPECT_EQ(contents(shards / "merged"), contents(folder_ / "whole")) << count;
    }
  }
}

TEST_F(Run, MergedVerificationShardsAreTheWholeRun) {
  GeneratePlan generate = small_plan();
  generate.prompts.push_back({11, 12, 13, 14, 15});
  ASSERT_TRUE(run_generate(generate, folder_ / "run", hash_hooks()));
  VerifyPlan plan = verify_plan(folder_ / "run");
  for (const assay::Setup& setup : small_plan().setups) {
    plan.setups.push_back(setup);
    plan.setups.back().device = "other";
  }
  const auto whole = run_verify(plan, folder_ / "whole", hash_hooks());
  ASSERT_TRUE(whole) << whole.error().message();
  for (Index i = 1; i <= 2; ++i) {
    const auto done = run_verify_shard(plan, {i, 2}, folder_ / std::to_string(i), hash_hooks());
    ASSERT_TRUE(done) << done.error().message();
  }
  const std::vector<fs::path> shards = {folder_ / "1", folder_ / "2"};
  for (int times = 0; times < 2; ++times) {
    const auto merged = merge_runs(shards, folder_ / "merged", plan.decision);
    ASSERT_TRUE(merged) << merged.error().message();
    EXPECT_EQ(std::get<VerificationAnalysis>(*merged).verdict.outcome, (*whole)->verdict.outcome);
    EXPECT_EQ(contents(folder_ / "merged"), contents(folder_ / "whole"));
  }
  // A record that is not what the shards verified.
  fs::remove_all(folder_ / "run");
  generate.prompts[0][0] = 20;
  ASSERT_TRUE(run_generate(generate, folder_ / "run", hash_hooks()));
  EXPECT_THAT(merge_runs(shards, folder_ / "other", plan.decision).error().message(),
              HasSubstr("as the shards verified it"));
}

TEST_F(Run, ShardsThatAreNotOneRunAreRefused) {
  const GeneratePlan plan = small_plan();
  write_shards(plan, folder_ / "a", 2);
  GeneratePlan changed = plan;
  changed.generate.top_k = 2;
  write_shards(changed, folder_ / "b", 2);
  const auto refusal = [&](const std::vector<std::string>& names, const std::string& out = "out") {
    std::vector<fs::path> folders;
    for (const std::string& name : names) folders.push_back(folder_ / name);
    const bool before = fs::exists(folder_ / out);
    const auto merged = merge_runs(folders, folder_ / out, {});
    EXPECT_EQ(fs::exists(folder_ / out), before);
    return merged ? "accepted" : merged.error().message();
  };
  EXPECT_THAT(refusal({"a/1"}), HasSubstr("all 2 shards of the run, found no shard 2"));
  EXPECT_THAT(refusal({"a/1", "a/1"}), HasSubstr("shard/index: expected each shard once, found 1 also in "));
  EXPECT_THAT(refusal({"a/1", "b/2"}), HasSubstr("top_k: expected 3, as "));
  EXPECT_THAT(refusal({"a/1", "nowhere"}), HasSubstr("nowhere/progress.jsonl"));
  EXPECT_THAT(refusal({"a/1", "a/2"}, "a/1"), HasSubstr("a new folder or a merged run"));
  ASSERT_TRUE(run_generate(changed, folder_ / "whole", hash_hooks()));
  EXPECT_THAT(refusal({"a/1", "a/2"}, "whole"), HasSubstr("found another run"));
  EXPECT_THAT(refusal({"whole", "a/2"}), HasSubstr("whole/progress.jsonl"));

  ASSERT_FALSE(run_generate(plan, folder_ / "part", stopping_after(2))->has_value());
  EXPECT_THAT(refusal({"part", "a/2"}), HasSubstr("a run that was started with --shard, found a whole run"));
  ASSERT_FALSE(*run_generate_shard(plan, {2, 2}, folder_ / "late", stopping_after(1)));
  EXPECT_THAT(refusal({"a/1", "late"}), HasSubstr("shard 2: expected 2 finished units, found 1"));
  ASSERT_TRUE(*run_generate_shard(plan, {1, 1}, folder_ / "of1", hash_hooks()));
  EXPECT_THAT(refusal({"a/1", "of1"}), HasSubstr("shard/count: expected 2"));

  RunHooks other = hash_hooks();
  other.open = [](const assay::Setup&) -> Result<std::unique_ptr<Engine>> {
    return std::unique_ptr<Engine>(std::make_unique<HashEngine>(3, "another kernel", "avx2"));
  };
  ASSERT_TRUE(*run_generate_shard(plan, {2, 2}, folder_ / "kernel", other));
  EXPECT_THAT(refusal({"a/1", "kernel"}), HasSubstr("ran/a/device: expected ieee, as "));

  EXPECT_THAT(run_generate_shard(plan, {1, 3}, folder_ / "many", hash_hooks()).error().message(),
              HasSubstr("--shard: expected at most 2 shards, the number of references, found 3"));
  EXPECT_THAT(run_generate_shard(plan, {1, 2}, folder_ / "a/2", hash_hooks()).error().message(),
              HasSubstr("shard/index: expected 2, as the interrupted run has it, found 1"));
}

TEST_F(Run, SeveralDevicesAreVerifiedUnderNamesOfTheirOwn) {
  ASSERT_TRUE(run_generate(small_plan(), folder_ / "run", hash_hooks()));
  VerifyPlan plan = verify_plan(folder_ / "run");
  for (const assay::Setup& setup : small_plan().setups) {
    plan.setups.push_back(setup);
    plan.setups.back().device = "other";
  }
  ASSERT_FALSE(
      run_verify(plan, folder_ / "verified", stopping_after(11))->has_value());  // in the second device
  const auto verified = run_verify(plan, folder_ / "verified", hash_hooks());
  ASSERT_TRUE(verified) << verified.error().message();
  EXPECT_THAT((*verified)->verifiers, testing::ElementsAre("a@ieee", "b@ieee", "a@other", "b@other"));
  EXPECT_THAT((*verified)->reproduction.claims[0].reproduced_by, testing::ElementsAre("a@ieee"));
  EXPECT_THAT((*verified)->reproduction.claims[1].reproduced_by, testing::ElementsAre("b@ieee"));
  EXPECT_EQ((*verified)->verdict.outcome, Outcome::consistent);
  const Verification run = *read_verification(folder_ / "verified");
  EXPECT_EQ(run.setups[2].name, "a");
  EXPECT_EQ(run.setups[2].ran[0].second, "other");
  EXPECT_EQ(run.comparisons.size(), 16U);
}

TEST_F(Run, ACompleteRunIsNotOverwritten) {
  ASSERT_TRUE(run_generate(small_plan(), folder_ / "run", hash_hooks()));
  EXPECT_THAT(run_generate(small_plan(), folder_ / "run", hash_hooks()).error().message(),
              HasSubstr("found a complete run"));
}

TEST_F(Run, RefusesBeforeAnythingIsWritten) {
  const auto refusal = [&](auto change) {
    GeneratePlan plan = small_plan();
    change(plan);
    const auto made = run_generate(plan, folder_ / "run", hash_hooks());
    EXPECT_FALSE(fs::exists(folder_ / "run"));
    return made ? "accepted" : made.error().message();
  };
  EXPECT_THAT(refusal([](auto& plan) { plan.generate.max_new_tokens = 60; }),
              HasSubstr("expected at most 64 tokens, the model's context, found 65"));
  EXPECT_THAT(refusal([](auto& plan) { plan.prompts[1][2] = kVocabulary; }),
              HasSubstr("expected token ids from 0 to 49, found 50"));
  EXPECT_THAT(refusal([](auto& plan) { plan.tokenizer_vocabulary = 51; }), HasSubstr("vocab_size"));
  EXPECT_THAT(refusal([](auto& plan) { plan.setups[1].quantization = "broken"; }), HasSubstr("nan"));
  EXPECT_THAT(refusal([](auto& plan) { plan.generate.top_k = 51; }), HasSubstr("top_k"));
}

}  // namespace
}  // namespace assay
