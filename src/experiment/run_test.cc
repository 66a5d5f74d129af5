// Runs over an engine of hashes: order, resumption and refusals do not depend on arithmetic.
#include <gmock/gmock.h>

#include <fstream>

#include "base/sha256.h"
#include "experiment/test_run.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Run : public RunFixture {};

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

TEST_F(Run, WhatAServerDrewIsNotChecked) {
  GeneratePlan plan = small_plan();
  plan.generate.sampling = {.sampler = Sampler::exponential_race, .temperature = 1, .seed = 7};
  ASSERT_TRUE(run_generate(plan, folder_ / "run", hash_hooks()));
  VerifyPlan claims = verify_plan(folder_ / "run");
  claims.record.setups[0].ran.emplace_back("engine", "sglang");
  ASSERT_TRUE(run_verify(claims, folder_ / "verified", hash_hooks()));
  const Verification verification = *read_verification(folder_ / "verified");
  for (const Reexecution& run : verification.reexecutions) {
    EXPECT_EQ(run.tokens.empty(), run.claimed == claims.record.setups[0].name) << run.claimed;
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

// A server whose texts have no certain ids: of every second prompt.
class UncertainEngine : public HashEngine {
 public:
  using HashEngine::HashEngine;
  Result<Generation> generate(const GenerateRequest& request) override {
    if (request.prompt.front() != 6) return HashEngine::generate(request);
    Generation dropped;
    dropped.prompt_ids = request.prompt;
    dropped.served = {{"dropped", "a text of two readings"}};
    return dropped;
  }
};

TEST_F(Run, WhatAServerLeavesUncertainIsDroppedAndCounted) {
  RunHooks hooks;
  hooks.open = [](const assay::Setup& setup) -> Result<std::unique_ptr<Engine>> {
    return std::unique_ptr<Engine>(std::make_unique<UncertainEngine>(setup.quantization.size(), "ieee", "x"));
  };
  ASSERT_TRUE(*run_generate(small_plan(), folder_ / "whole", hooks));
  const auto record = read_generation(folder_ / "whole");
  ASSERT_TRUE(record) << record.error().message();
  ASSERT_EQ(record->generations.size(), 2U);
  EXPECT_EQ(record->generations[1].reference, 0);
  EXPECT_EQ(lookup(record->setups[1].ran, "dropped"), "1 of 2 references");
  hooks.stopped = [left = 5]() mutable { return left-- <= 0; };
  EXPECT_FALSE(run_generate(small_plan(), folder_ / "part", hooks)->has_value());
  hooks.stopped = [] { return false; };
  ASSERT_TRUE(*run_generate(small_plan(), folder_ / "part", hooks));
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
