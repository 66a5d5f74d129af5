// A run cut into parts for several processes: `--shard i/n`. A shard does the units of its references and
// leaves RUN/progress.jsonl, the plan with "shard" in it and a line for each unit; merge_runs joins them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "base/json.h"
#include "experiment/analyze.h"
#include "record/record.h"
#include "verify/evidence.h"

namespace assay {

struct RunShard {
  Index index = 1;  // from 1 to count
  Index count = 1;
};

// Units of one reference stay together, so that a prompt's cache is of use to all of them. `rank` is the
// reference's place among the run's references.
inline bool holds(const RunShard& shard, Index rank) { return rank % shard.count == shard.index - 1; }

// The plan of one shard of a run. Error: more shards than references.
Result<Json> shard_plan(Json plan, const RunShard& shard, Index references);

// A line of a progress file, and where it stands.
struct UnitLine {
  std::string text;
  std::string place;
};

// The shards of one run, put together. Lines are in the order of each shard, with the shard's index.
struct JoinedShards {
  Json plan;   // without "shard"
  Json stamp;  // of the first shard
  std::string file;
  std::vector<std::vector<UnitLine>> lines;  // by shard

  // All lines in the run's order; `ranks` has the reference's rank of every unit. Error: a shard has fewer or
  // more lines than units.
  Result<std::vector<UnitLine>> in_order(const std::vector<Index>& ranks) const;
};

// Error: a folder that holds no shard, shards of different plans or engines, one that is missing or there
// twice.
Result<JoinedShards> join_shards(const std::vector<std::filesystem::path>& folders);

// Writes into `folder` what one process would have written; time and environment are those of the first shard.
// The shards stay as they are. Error: what join_shards refuses, an unfinished shard, a verified record that has
// changed, or a run in `folder` that is not this one.
Result<Analysis> merge_runs(const std::vector<std::filesystem::path>& shards,
                            const std::filesystem::path& folder, const DecisionOptions& decision);

}  // namespace assay
