#include "experiment/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/file.h"
#include "base/sha256.h"
#include "experiment/generate_plan.h"
#include "experiment/progress.h"
#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "record/sequence_line.h"
#include "report/json.h"
#include "verify/consistency.h"
#include "verify/sanity.h"

namespace assay {
namespace {

struct Unit {
  std::size_t setup = 0;
  Index reference = 0;
  Index run = 0;  // 0 = the recorded one, else a repeat for the noise floor
};

std::vector<Unit> units_of(const GeneratePlan& plan) {
  std::vector<Unit> units;
  for (std::size_t setup = 0; setup < plan.setups.size(); ++setup) {
    for (Index r = 0; r < static_cast<Index>(plan.prompts.size()); ++r) units.push_back({setup, r, 0});
    for (Index run = 1; run < plan.generate.runs; ++run) units.push_back({setup, 0, run});
  }
  return units;
}

// Whether the engine of `setup` can do its part.
Result<void> check_engine(const GeneratePlan& plan, const Setup& setup, const Engine& engine) {
  if (plan.tokenizer_vocabulary > engine.vocabulary_size()) {
    return Error{setup.model, "vocab_size",
                 fmt::format("at least {}, the tokenizer's vocabulary", plan.tokenizer_vocabulary),
                 std::to_string(engine.vocabulary_size())};
  }
  if (plan.generate.top_k > engine.vocabulary_size()) {
    return Error{plan.file, "generate.top_k",
                 fmt::format("at most {}, the vocabulary", engine.vocabulary_size()),
                 std::to_string(plan.generate.top_k)};
  }
  for (std::size_t r = 0; r < plan.prompts.size(); ++r) {
    const std::string key = fmt::format("prompts.tokens ({}/ref_{})", setup.name, r);
    if (auto fits = check_tokens(engine, plan.prompts[r], plan.generate.max_new_tokens, plan.file, key);
        !fits) {
      return fits;
    }
  }
  return {};
}

GenerateRequest request_of(const GeneratePlan& plan, const Unit& unit) {
  return {.prompt = plan.prompts[static_cast<std::size_t>(unit.reference)],
          .max_new_tokens = plan.generate.max_new_tokens,
          .top_k = plan.generate.top_k,
          .last_positions = plan.generate.last_positions,
          .ignore_eos = plan.generate.ignore_eos,
          .afresh = unit.run > 0,  // a repeat that reuses the first run's cache repeats nothing
          .noise_seed = static_cast<std::uint64_t>(unit.run),
          .sampling = sampling_of(plan.generate.sampling, unit.reference)};
}

// The unit's line of an interrupted run.
Result<Generation> read_unit(const GeneratePlan& plan, const Unit& unit, const UnitLine& line) {
  const std::string& place = line.place;
  auto generation = generation_from_line(line.text, place);
  if (!generation) return generation.error();
  const std::string& setup = plan.setups[unit.setup].name;
  if (generation->setup != setup || generation->reference != unit.reference ||
      generation->prompt_ids != plan.prompts[static_cast<std::size_t>(unit.reference)]) {
    return Error{place, "setup", fmt::format("{}/ref_{} of this run", setup, unit.reference),
                 fmt::format("{}/ref_{}", generation->setup, generation->reference)};
  }
  return generation;
}

// The server gave texts whose ids are not certain.
bool is_dropped(const Generation& generation) { return !lookup(generation.served, "dropped").empty(); }

// `all` holds a generation for each unit.
Result<Record> assemble(const GeneratePlan& plan, std::vector<Setup> setups, const std::vector<Unit>& units,
                        std::vector<Generation> all) {
  Record record;
  record.setups = std::move(setups);
  record.settings = settings_of(plan);
  record.settings.runs = plan.generate.runs;
  for (std::size_t setup = 0; setup < plan.setups.size() && plan.generate.runs > 1; ++setup) {
    std::vector<Generation> runs;
    for (std::size_t i = 0; i < units.size(); ++i) {
      if (units[i].setup == setup && units[i].reference == 0 && !is_dropped(all[i])) runs.push_back(all[i]);
    }
    if (runs.size() < 2) continue;  // dropped
    const auto floor = noise_floor(runs, DistanceRule::every_id, plan.generate.top_k);
    if (!floor) return floor.error();
    record.noise_floors.push_back(*floor);
  }
  std::vector<Index> dropped(record.setups.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (units[i].run > 0) continue;
    if (is_dropped(all[i])) {
      ++dropped[units[i].setup];
    } else {
      record.generations.push_back(std::move(all[i]));
    }
  }
  for (std::size_t setup = 0; setup < dropped.size(); ++setup) {
    if (dropped[setup] == 0) continue;
    record.setups[setup].ran.emplace_back(
        "dropped", fmt::format("{} of {} references", dropped[setup], plan.prompts.size()));
  }
  return record;
}

Result<void> take_stamp(Record& record, const Json& stamp, const std::string& file) {
  const auto timestamp = timestamp_of(stamp, file);
  if (!timestamp) return timestamp.error();
  const auto environment = environment_of(stamp, file);
  if (!environment) return environment.error();
  record.timestamp = *timestamp;
  record.environment = *environment;
  return {};
}

Result<RecordAnalysis> write_run(const std::filesystem::path& folder, const Record& record) {
  auto analysis = analyze_record(record, folder.string(), DistanceRule::every_id);
  if (!analysis) return analysis.error();
  // The manifest comes last: a folder that has one is complete.
  const std::string metrics = dump_json(json_report(*analysis));
  if (auto written = write_atomically(folder / "metrics.json", metrics); !written) return written.error();
  if (auto written = write_record(folder, record); !written) return written.error();
  return analysis;
}

std::string log_line(const Generation& generation, const Unit& unit, std::size_t done, std::size_t units) {
  return fmt::format("[{}/{}] {} ref_{}{}: Prompt: {}, Gen: {}{}", done + 1, units, generation.setup,
                     unit.reference, unit.run > 0 ? fmt::format(" (run {})", unit.run + 1) : "",
                     generation.prompt_ids.size(), generation.generated_ids.size(),
                     is_dropped(generation) ? ", dropped: " + lookup(generation.served, "dropped") : "");
}

// How many of `units` from the first on have its setup.
Index of_one_setup(std::span<const Unit> units) {
  return std::find_if(units.begin(), units.end(),
                      [&](const Unit& unit) { return unit.setup != units.front().setup; }) -
         units.begin();
}

// Opens the engines, then does those of `units` that the progress file does not have; nothing: stopped early.
Result<std::optional<std::vector<Generation>>> do_units(const GeneratePlan& plan,
                                                        const std::vector<Unit>& units, Progress& progress,
                                                        std::vector<Setup>& setups, const RunHooks& hooks) {
  EngineSlot slot(hooks, plan.file);
  const auto check = [&](const Setup& setup, const Engine& engine) {
    return check_engine(plan, setup, engine);
  };
  if (auto checked = slot.try_each(plan.setups, check, setups); !checked) return checked.error();
  if (auto settled = settle_ran(setups, progress); !settled) return settled.error();
  std::vector<Generation> all;
  for (std::size_t i = 0; i < units.size() && i < progress.lines().size(); ++i) {
    auto done = read_unit(plan, units[i], {progress.lines()[i], progress.place(i)});
    if (!done) return done.error();
    all.push_back(*std::move(done));
  }
  while (all.size() < units.size()) {
    const std::span left = std::span(units).subspan(all.size());
    const Setup& setup = plan.setups[left.front().setup];
    const auto engine = slot.get(setup);
    if (!engine) return engine.error();
    const auto unit_of = [&](Index job) -> const Unit& { return left[static_cast<std::size_t>(job)]; };
    const auto take = [&](Index job, Generation generation) -> Result<void> {
      const Unit& unit = unit_of(job);
      generation.setup = setup.name;
      generation.reference = unit.reference;
      if (auto kept = progress.append(to_line(generation)); !kept) return kept.error();
      hooks.log(log_line(generation, unit, all.size(), units.size()));
      all.push_back(std::move(generation));
      return {};
    };
    const auto done =
        (*engine)->generate_all({.count = of_one_setup(left),
                                 .request = [&](Index job) { return request_of(plan, unit_of(job)); },
                                 .take = take,
                                 .stopped = [&] { return hooks.stopped(); }});
    if (!done) return done.error();
    if (!*done) return std::optional<std::vector<Generation>>();
  }
  return std::optional(std::move(all));
}

}  // namespace

Result<std::optional<RecordAnalysis>> run_generate(const GeneratePlan& plan,
                                                   const std::filesystem::path& folder,
                                                   const RunHooks& hooks) {
  auto progress = Progress::open(folder, plan_as_json(plan), stamp_as_json(plan.timestamp, plan.environment));
  if (!progress) return progress.error();
  std::vector<Setup> setups = plan.setups;
  const std::vector<Unit> units = units_of(plan);
  auto all = do_units(plan, units, *progress, setups, hooks);
  if (!all) return all.error();
  if (!*all) return std::optional<RecordAnalysis>();
  auto record = assemble(plan, std::move(setups), units, **std::move(all));
  if (!record) return record.error();
  if (auto taken = take_stamp(*record, progress->stamp(), progress->file()); !taken) return taken.error();
  auto analysis = write_run(folder, *record);
  if (!analysis) return analysis.error();
  if (auto removed = progress->remove(); !removed) return removed.error();
  return std::optional(*std::move(analysis));
}

Result<bool> run_generate_shard(const GeneratePlan& plan, const RunShard& shard,
                                const std::filesystem::path& folder, const RunHooks& hooks) {
  const auto json = shard_plan(plan_as_json(plan), shard, static_cast<Index>(plan.prompts.size()));
  if (!json) return json.error();
  auto progress = Progress::open(folder, *json, stamp_as_json(plan.timestamp, plan.environment));
  if (!progress) return progress.error();
  std::vector<Setup> setups = plan.setups;
  std::vector<Unit> units = units_of(plan);
  std::erase_if(units, [&](const Unit& unit) { return !holds(shard, unit.reference); });
  const auto all = do_units(plan, units, *progress, setups, hooks);
  if (!all) return all.error();
  return all->has_value();
}

Result<RecordAnalysis> merge_generate(const JoinedShards& shards, const std::filesystem::path& folder) {
  auto plan = generate_plan_of(shards.plan, shards.file);
  if (!plan) return plan.error();
  std::vector<Setup> setups = plan->setups;
  if (auto taken = take_ran(setups, shards.stamp, shards.file); !taken) return taken.error();
  const std::vector<Unit> units = units_of(*plan);
  std::vector<Index> ranks;
  for (const Unit& unit : units) ranks.push_back(unit.reference);
  const auto lines = shards.in_order(ranks);
  if (!lines) return lines.error();
  std::vector<Generation> all;
  for (std::size_t i = 0; i < units.size(); ++i) {
    // The first of its reference: what the others must repeat.
    if (units[i].setup == 0 && units[i].run == 0) {
      const auto first = generation_from_line((*lines)[i].text, (*lines)[i].place);
      if (!first) return first.error();
      plan->prompts[static_cast<std::size_t>(units[i].reference)] = first->prompt_ids;
    }
    auto done = read_unit(*plan, units[i], (*lines)[i]);
    if (!done) return done.error();
    all.push_back(*std::move(done));
  }
  const auto hash = json_get<std::string>(shards.plan, shards.file, "prompts_sha256");
  if (!hash) return hash.error();
  if (const std::string found = sha256_hex(Json(plan->prompts).dump()); found != *hash) {
    return Error{shards.file, "prompts_sha256", *hash, found};
  }
  auto record = assemble(*plan, std::move(setups), units, std::move(all));
  if (!record) return record.error();
  if (auto taken = take_stamp(*record, shards.stamp, shards.file); !taken) return taken.error();
  if (std::filesystem::exists(folder / "manifest.json")) {
    const auto before = read_generation(folder);
    if (!before) return before.error();
    if (!(*before == *record)) {
      return Error{folder.string(), "", "a new folder or what these shards give", "another run"};
    }
  }
  return write_run(folder, *record);
}

}  // namespace assay
