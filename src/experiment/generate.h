// The prover's run: every setup generates from every prompt.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "experiment/experiment_file.h"
#include "experiment/run.h"
#include "experiment/shard.h"
#include "record/record.h"
#include "verify/sanity.h"

namespace assay {

struct GeneratePlan {
  std::string file;  // the experiment file, for errors
  std::vector<Setup> setups;
  GenerateSettings generate;
  Index prompt_tokens = 0;
  std::vector<std::vector<TokenId>> prompts;  // by reference
  Index tokenizer_vocabulary = 0;             // largest of the setups' tokenizers
  Environment environment;
  std::string timestamp;
};

// The plan's settings as a record has them, without `runs`.
GenerationSettings settings_of(const GeneratePlan& plan);

// Downloads the models that are Hub names and not in the cache, builds the prompts, hashes the models. Error: a model
// or document that is not there, setups whose tokenizers give different prompts.
Result<GeneratePlan> plan_generate(const Experiment& experiment, ThreadPool& pool,
                                   const HubOptions& hub = {});

// Opens every engine once and checks the prompts against it before anything is computed; then runs unit by
// unit (setup, then reference, then the repeats of ref_0), resumes what is in `folder`, and at the end writes
// the run folder with metrics.json. A resumed run ends with the bits of an uninterrupted one. Nothing:
// hooks.stopped ended it early, and the same call resumes it.
Result<std::optional<RecordAnalysis>> run_generate(const GeneratePlan& plan,
                                                   const std::filesystem::path& folder,
                                                   const RunHooks& hooks);

// The units of one shard, as run_generate does them; writes no more than the progress file. Whether all are
// done: hooks.stopped may have ended it early.
Result<bool> run_generate_shard(const GeneratePlan& plan, const RunShard& shard,
                                const std::filesystem::path& folder, const RunHooks& hooks);

// merge_runs of a generation.
Result<RecordAnalysis> merge_generate(const JoinedShards& shards, const std::filesystem::path& folder);

}  // namespace assay
