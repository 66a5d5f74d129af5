#include "experiment/generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/sha256.h"
#include "checkpoint/model_files.h"
#include "experiment/environment.h"
#include "experiment/progress.h"
#include "experiment/prompts.h"
#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "record/sequence_line.h"
#include "report/json.h"
#include "tokenizer/tokenizer.h"
#include "verify/consistency.h"
#include "verify/sanity.h"

namespace assay {
namespace {

constexpr Index kMaxReferences = 1'000'000;

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

Json plan_as_json(const GeneratePlan& plan) {
  return {{"kind", "generate"},
          {"assay_version", lookup(plan.environment, "assay_version")},
          {"setups", setups_as_json(plan.setups)},
          {"max_new_tokens", plan.generate.max_new_tokens},
          {"top_k", plan.generate.top_k},
          {"last_positions", plan.generate.last_positions},
          {"runs", plan.generate.runs},
          {"ignore_eos", plan.generate.ignore_eos},
          {"sampling", sampling_as_json(plan.generate.sampling)},
          {"prompt_tokens", plan.prompt_tokens},
          {"references", plan.prompts.size()},
          {"prompts_sha256", sha256_hex(Json(plan.prompts).dump())}};
}

// `setups` are the plan's; fills their `ran`.
Result<void> check_engines(const GeneratePlan& plan, EngineSlot& slot, std::vector<Setup>& setups) {
  for (std::size_t i = 0; i < plan.setups.size(); ++i) {
    const Setup& setup = plan.setups[i];
    const auto engine = slot.get(setup);
    if (!engine) return engine.error();
    setups[i].ran = (*engine)->describe();
    if (plan.tokenizer_vocabulary > (*engine)->vocabulary_size()) {
      return Error{setup.model, "vocab_size",
                   fmt::format("at least {}, the tokenizer's vocabulary", plan.tokenizer_vocabulary),
                   std::to_string((*engine)->vocabulary_size())};
    }
    if (plan.generate.top_k > (*engine)->vocabulary_size()) {
      return Error{plan.file, "generate.top_k",
                   fmt::format("at most {}, the vocabulary", (*engine)->vocabulary_size()),
                   std::to_string(plan.generate.top_k)};
    }
    for (std::size_t r = 0; r < plan.prompts.size(); ++r) {
      const std::string key = fmt::format("prompts.tokens ({}/ref_{})", setup.name, r);
      if (auto fits = check_tokens(**engine, plan.prompts[r], plan.generate.max_new_tokens, plan.file, key);
          !fits) {
        return fits;
      }
    }
  }
  return {};
}

Result<Generation> generate_unit(const GeneratePlan& plan, const Unit& unit, Engine& engine) {
  if (unit.run > 0) engine.forget();  // a repeat that reuses the first run's cache repeats nothing
  auto generation = engine.generate({.prompt = plan.prompts[static_cast<std::size_t>(unit.reference)],
                                     .max_new_tokens = plan.generate.max_new_tokens,
                                     .top_k = plan.generate.top_k,
                                     .last_positions = plan.generate.last_positions,
                                     .ignore_eos = plan.generate.ignore_eos,
                                     .noise_seed = static_cast<std::uint64_t>(unit.run),
                                     .sampling = sampling_of(plan.generate.sampling, unit.reference)});
  if (!generation) return generation.error();
  generation->setup = plan.setups[unit.setup].name;
  generation->reference = unit.reference;
  return generation;
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
      if (units[i].setup == setup && units[i].reference == 0) runs.push_back(all[i]);
    }
    const auto floor = noise_floor(runs, DistanceRule::every_id, plan.generate.top_k);
    if (!floor) return floor.error();
    record.noise_floors.push_back(*floor);
  }
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (units[i].run == 0) record.generations.push_back(std::move(all[i]));
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

// Opens the engines, then does those of `units` that the progress file does not have; nothing: stopped early.
Result<std::optional<std::vector<Generation>>> do_units(const GeneratePlan& plan,
                                                        const std::vector<Unit>& units, Progress& progress,
                                                        std::vector<Setup>& setups, const RunHooks& hooks) {
  EngineSlot slot(hooks, plan.file);
  if (auto checked = check_engines(plan, slot, setups); !checked) return checked.error();
  if (auto settled = settle_ran(setups, progress); !settled) return settled.error();
  std::vector<Generation> all;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (i < progress.lines().size()) {
      auto done = read_unit(plan, units[i], {progress.lines()[i], progress.place(i)});
      if (!done) return done.error();
      all.push_back(*std::move(done));
      continue;
    }
    if (hooks.stopped()) return std::optional<std::vector<Generation>>();
    const auto engine = slot.get(plan.setups[units[i].setup]);
    if (!engine) return engine.error();
    auto generation = generate_unit(plan, units[i], **engine);
    if (!generation) return generation.error();
    if (auto kept = progress.append(to_line(*generation)); !kept) return kept.error();
    hooks.log(fmt::format("[{}/{}] {} ref_{}{}: Prompt: {}, Gen: {}", i + 1, units.size(), generation->setup,
                          units[i].reference,
                          units[i].run > 0 ? fmt::format(" (run {})", units[i].run + 1) : "",
                          generation->prompt_ids.size(), generation->generated_ids.size()));
    all.push_back(*std::move(generation));
  }
  return std::optional(std::move(all));
}

// Of a plan in JSON all but the prompts' tokens.
Result<GeneratePlan> plan_of(const Json& json, const std::string& file) {
  auto setups = setups_of(json, file);
  if (!setups) return setups.error();
  const auto sampling = sampling_of_plan(json, file);
  if (!sampling) return sampling.error();
  const auto ignore_eos = json_get<bool>(json, file, "ignore_eos");
  if (!ignore_eos) return ignore_eos.error();
  GeneratePlan plan;
  plan.file = file;
  plan.setups = *std::move(setups);
  plan.generate.ignore_eos = *ignore_eos;
  plan.generate.sampling = *sampling;
  Index references = 0;
  for (const auto& [key, value] : {std::pair("max_new_tokens", &plan.generate.max_new_tokens),
                                   {"top_k", &plan.generate.top_k},
                                   {"last_positions", &plan.generate.last_positions},
                                   {"runs", &plan.generate.runs},
                                   {"prompt_tokens", &plan.prompt_tokens},
                                   {"references", &references}}) {
    const auto number = json_get<Index>(json, file, key);
    if (!number) return number.error();
    *value = *number;
  }
  if (references < 1 || references > kMaxReferences) {
    return Error{file, "references", fmt::format("1 to {}", kMaxReferences), std::to_string(references)};
  }
  plan.prompts.resize(static_cast<std::size_t>(references));
  return plan;
}

}  // namespace

GenerationSettings settings_of(const GeneratePlan& plan) {
  return {.max_new_tokens = plan.generate.max_new_tokens,
          .prompt_tokens = plan.prompt_tokens,
          .references = static_cast<Index>(plan.prompts.size()),
          .top_k = plan.generate.top_k,
          .last_positions = plan.generate.last_positions,
          .ignore_eos = plan.generate.ignore_eos,
          .sampling = plan.generate.sampling};
}

Result<GeneratePlan> plan_generate(const Experiment& experiment, ThreadPool& pool) {
  const std::string file = experiment.file.string();
  GeneratePlan plan{.file = file,
                    .setups = {},
                    .generate = experiment.generate,
                    .prompt_tokens = experiment.prompts.tokens,
                    .prompts = {},
                    .tokenizer_vocabulary = 0,
                    .environment = capture_environment(),
                    .timestamp = utc_now()};
  for (const Setup& setup : experiment.setups) {
    const auto folder = find_model(setup.model);
    if (!folder) return folder.error();
    const std::filesystem::path path = *folder / "tokenizer.json";
    const auto tokenizer = Tokenizer::open(path);
    if (!tokenizer) return tokenizer.error();
    plan.tokenizer_vocabulary = std::max(plan.tokenizer_vocabulary, tokenizer->vocabulary_size());
    const auto prompts = build_prompts(experiment.prompts, *tokenizer, file, path.string());
    if (!prompts) return prompts.error();
    if (plan.prompts.empty()) plan.prompts = *prompts;
    if (plan.prompts != *prompts) {
      return Error{file, "setups." + setup.name + ".model",
                   "the same prompt tokens as setup " + experiment.setups.front().name,
                   "others (" + path.string() + ")"};
    }
  }
  auto setups = hash_setups(experiment.setups, pool);
  if (!setups) return setups.error();
  plan.setups = *std::move(setups);
  return plan;
}

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
  auto plan = plan_of(shards.plan, shards.file);
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
    if (units[i].setup == 0 &&
        units[i].run == 0) {  // the first of its reference: what the others must repeat
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
