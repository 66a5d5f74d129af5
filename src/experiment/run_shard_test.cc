// Shards of a run, and what they are merged into.
#include <gmock/gmock.h>

#include "experiment/test_run.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunShards : public RunFixture {};

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

TEST_F(RunShards, MergedShardsAreTheWholeRun) {
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

TEST_F(RunShards, MergedVerificationShardsAreTheWholeRun) {
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

TEST_F(RunShards, ShardsThatAreNotOneRunAreRefused) {
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

}  // namespace
}  // namespace assay
