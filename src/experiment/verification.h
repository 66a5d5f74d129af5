// The verifier's run: every claim of a record is re-executed under every setup of the verifier.
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
#include "verify/analysis.h"

namespace assay {

struct VerifyPlan {
  std::string file;  // the experiment file, for errors
  Record record;
  std::string record_file;
  // The verifier's; of several devices: all setups of the first, of the second, ...
  std::vector<Setup> setups;
  Replay replay = Replay::prefill;
  DistanceRule rule = DistanceRule::every_id;
  DecisionOptions decision = {};
  Environment environment;
  std::string timestamp;
};

// Reads the record and hashes the verifier's models. Every setup runs under each of `devices`; none: under
// its own. Error: a record that does not read, a model that is not there, no setup of the experiment that has
// the name of one in the record, a calibration that is not for the verifier's models.
Result<VerifyPlan> plan_verify(const Experiment& experiment, const std::filesystem::path& record,
                               ThreadPool& pool, Replay replay, DistanceRule rule,
                               const std::vector<std::string>& devices = {}, DecisionOptions decision = {},
                               const HubOptions& hub = {});

// As run_generate. Units go by verifier, then reference, then claim, so that a prompt shared by several
// claims stays in the engine's cache. Writes the run folder with metrics.json,
// verdict.json and the calibration.
Result<std::optional<VerificationAnalysis>> run_verify(const VerifyPlan& plan,
                                                       const std::filesystem::path& folder,
                                                       const RunHooks& hooks);

// As run_generate_shard.
Result<bool> run_verify_shard(const VerifyPlan& plan, const RunShard& shard,
                              const std::filesystem::path& folder, const RunHooks& hooks);

// merge_runs of a verification; reads the record again from where the shards read it.
Result<VerificationAnalysis> merge_verify(const JoinedShards& shards, const std::filesystem::path& folder,
                                          const DecisionOptions& decision);

}  // namespace assay
