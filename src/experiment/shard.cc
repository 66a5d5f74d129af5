#include "experiment/shard.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/generate.h"
#include "experiment/progress.h"
#include "experiment/run.h"
#include "experiment/verification.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

Result<RunShard> shard_of(const Json& plan, const std::string& file) {
  if (!plan.is_object() || !plan.contains("shard")) {
    return Error{file, "shard", "a run that was started with --shard", "a whole run"};
  }
  const auto index = json_get<Index>(plan["shard"], file, "index");
  if (!index) return index.error();
  const auto count = json_get<Index>(plan["shard"], file, "count");
  if (!count) return count.error();
  if (*count < 1 || *index < 1 || *index > *count) {
    return Error{file, "shard", "an index from 1 to its count", fmt::format("{} of {}", *index, *count)};
  }
  return RunShard{*index, *count};
}

}  // namespace

Result<Json> shard_plan(Json plan, const RunShard& shard, Index references) {
  if (shard.count > references) {
    return Error{"", "--shard", fmt::format("at most {} shards, the number of references", references),
                 std::to_string(shard.count)};
  }
  plan["shard"] = {{"index", shard.index}, {"count", shard.count}};
  return plan;
}

Result<std::vector<UnitLine>> JoinedShards::in_order(const std::vector<Index>& ranks) const {
  const auto count = static_cast<Index>(lines.size());
  std::vector<Index> units(lines.size());
  for (const Index rank : ranks) ++units[static_cast<std::size_t>(rank % count)];
  for (std::size_t s = 0; s < lines.size(); ++s) {
    const auto found = static_cast<Index>(lines[s].size());
    if (found == units[s]) continue;
    return Error{file, fmt::format("shard {}", s + 1), fmt::format("{} finished units", units[s]),
                 std::to_string(found)};
  }
  std::vector<std::size_t> next(lines.size());
  std::vector<UnitLine> all;
  for (const Index rank : ranks) {
    const auto s = static_cast<std::size_t>(rank % count);
    all.push_back(lines[s][next[s]++]);
  }
  return all;
}

Result<JoinedShards> join_shards(const std::vector<fs::path>& folders) {
  JoinedShards joined;
  std::vector<std::string> files;  // by shard; "" = not seen
  std::vector<Json> stamps;
  for (const fs::path& folder : folders) {
    auto progress = read_progress(folder / "progress.jsonl");
    if (!progress) return progress.error();
    const auto shard = shard_of(progress->plan, progress->file);
    if (!shard) return shard.error();
    progress->plan.erase("shard");
    if (files.empty()) {
      joined.plan = progress->plan;
      joined.file = progress->file;
      files.resize(static_cast<std::size_t>(shard->count));
      stamps.resize(files.size());
      joined.lines.resize(files.size());
    }
    const std::string other = ", as " + joined.file + " has it";
    if (auto same = same_plan(joined.plan, progress->plan, progress->file, other); !same) return same.error();
    if (shard->count != static_cast<Index>(files.size())) {
      return Error{progress->file, "shard/count", std::to_string(files.size()) + other,
                   std::to_string(shard->count)};
    }
    const auto at = static_cast<std::size_t>(shard->index - 1);
    if (!files[at].empty()) {
      return Error{progress->file, "shard/index", "each shard once",
                   fmt::format("{} also in {}", shard->index, files[at])};
    }
    files[at] = progress->file;
    stamps[at] = std::move(progress->stamp);
    for (std::size_t i = 0; i < progress->lines.size(); ++i) {
      joined.lines[at].push_back({std::move(progress->lines[i]), place_of(files[at], i)});
    }
  }
  for (std::size_t s = 0; s < files.size(); ++s) {
    if (!files[s].empty()) continue;
    return Error{joined.file, "shard", fmt::format("all {} shards of the run", files.size()),
                 fmt::format("no shard {}", s + 1)};
  }
  joined.file = files.front();
  joined.stamp = stamps.front();
  for (std::size_t s = 1; s < files.size(); ++s) {
    if (auto same = same_engines(joined.stamp, stamps[s], joined.file, files[s]); !same) return same.error();
  }
  return joined;
}

Result<Analysis> merge_runs(const std::vector<fs::path>& shards, const fs::path& folder,
                            const DecisionOptions& decision) {
  const auto joined = join_shards(shards);
  if (!joined) return joined.error();
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::exists(folder / "manifest.json", ignored)) {
    return Error{folder.string(), "", "a new folder or a merged run", "one with other content"};
  }
  const auto kind = json_get<std::string>(joined->plan, joined->file, "kind");
  if (!kind) return kind.error();
  if (*kind == "generate") {
    auto analysis = merge_generate(*joined, folder);
    if (!analysis) return analysis.error();
    return Analysis(*std::move(analysis));
  }
  auto analysis = merge_verify(*joined, folder, decision);
  if (!analysis) return analysis.error();
  return Analysis(*std::move(analysis));
}

}  // namespace assay
