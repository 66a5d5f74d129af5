#include "experiment/verification.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/file.h"
#include "experiment/progress.h"
#include "experiment/reexecute.h"
#include "experiment/verify_plan.h"
#include "record/fingerprint.h"
#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "record/sequence_line.h"
#include "report/json.h"
#include "verify/analysis.h"
#include "verify/calibration_file.h"
#include "verify/compare.h"
#include "verify/sanity.h"

namespace assay {
namespace {

struct Unit {
  std::size_t verifier = 0;  // index in plan.setups
  std::size_t claim = 0;     // index in record.generations
};

std::vector<Unit> units_of(const VerifyPlan& plan) {
  std::vector<Unit> order;
  for (std::size_t claim = 0; claim < plan.record.generations.size(); ++claim) order.push_back({0, claim});
  std::stable_sort(order.begin(), order.end(), [&](const Unit& a, const Unit& b) {
    return plan.record.generations[a.claim].reference < plan.record.generations[b.claim].reference;
  });
  std::vector<Unit> units;
  for (std::size_t verifier = 0; verifier < plan.setups.size(); ++verifier) {
    for (const Unit& unit : order) units.push_back({verifier, unit.claim});
  }
  return units;
}

// Whether an engine can score every claim.
Result<void> check_engine(const VerifyPlan& plan, const Engine& engine) {
  for (const Generation& claim : plan.record.generations) {
    const std::string key = fmt::format("{}/ref_{}", claim.setup, claim.reference);
    std::vector<TokenId> asked;
    for (const auto* phase : {&claim.prefill, &claim.decode}) {
      for (const PositionScores& position : *phase) {
        for (const TokenScore& score : position.scores) asked.push_back(score.id);
      }
    }
    for (const TokenId id : asked) {  // they take no room in the context
      if (auto known = check_tokens(engine, {id}, 0, plan.record_file, key); !known) return known;
    }
    if (auto fits = check_tokens(engine, tokens_of(claim), 0, plan.record_file, key); !fits) return fits;
  }
  return {};
}

Result<Reexecution> read_unit(const VerifyPlan& plan, const Unit& unit, const UnitLine& line) {
  const std::string& place = line.place;
  auto run = reexecution_from_line(line.text, place);
  if (!run) return run.error();
  const Generation& claim = plan.record.generations[unit.claim];
  const std::string verifier = verifier_name(plan.setups[unit.verifier], plan.setups);
  if (run->verifier != verifier || run->claimed != claim.setup || run->reference != claim.reference) {
    return Error{place, "claimed", fmt::format("{} by {}, ref_{}", claim.setup, verifier, claim.reference),
                 fmt::format("{} by {}, ref_{}", run->claimed, run->verifier, run->reference)};
  }
  return run;
}

std::string log_line(const Comparison& comparison, const std::vector<Setup>& setups, std::size_t unit,
                     std::size_t units) {
  return fmt::format("[{}/{}] {} verified by {}, ref_{} ({}): Prefill: {:.2e}, Decode: {:.2e}", unit + 1,
                     units, comparison.claimed, comparison.verifier, comparison.reference,
                     comparison.claimed == setup_name(setups, comparison.verifier) ? "diag" : "off",
                     comparison.prefill.mean, comparison.decode.mean);
}

Result<Verification> assemble(const VerifyPlan& plan, std::vector<Setup> setups, const Json& stamp,
                              const std::string& file, const std::vector<Unit>& units,
                              std::vector<Reexecution> runs) {
  const auto timestamp = timestamp_of(stamp, file);
  if (!timestamp) return timestamp.error();
  const auto environment = environment_of(stamp, file);
  if (!environment) return environment.error();
  const auto within = analyze_record(plan.record, plan.record_file, plan.rule);
  if (!within) return within.error();
  Verification verification{.environment = *environment,
                            .setups = std::move(setups),
                            .timestamp = *timestamp,
                            .reference_file = plan.record_file,
                            .reference_fingerprint = fingerprint(plan.record),
                            .reference_environment = plan.record.environment,
                            .claimed_setups = plan.record.setups,
                            .replay = word(plan.replay),
                            .prefill_equivalent_pairs = within->prefill.equivalent_pairs,
                            .decode_equivalent_pairs = within->decode.equivalent_pairs,
                            .reexecutions = {},
                            .claims = plan.record.generations,
                            .claimed_settings = plan.record.settings,
                            .alpha = plan.decision.alpha,
                            .delta = plan.decision.delta,
                            .rule = plan.rule,
                            .comparisons = {}};
  // The record's order: by verifier, claim, reference.
  std::vector<std::size_t> order(units.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(units[a].verifier, units[a].claim) < std::pair(units[b].verifier, units[b].claim);
  });
  for (const std::size_t i : order) verification.reexecutions.push_back(std::move(runs[i]));
  auto comparisons = compare_all(plan.record, verification, plan.rule);
  if (!comparisons) return comparisons.error();
  verification.comparisons = *std::move(comparisons);
  return verification;
}

Result<VerificationAnalysis> write_run(const std::filesystem::path& folder, const Verification& verification,
                                       const DecisionOptions& decision) {
  auto analysis = analyze_verification(verification, folder.string(), decision);
  if (!analysis) return analysis.error();
  const std::pair<const char*, Json> files[] = {{"metrics.json", json_report(*analysis)},
                                                {"verdict.json", verdict_json(*analysis)}};
  for (const auto& [name, json] : files) {
    if (auto written = write_atomically(folder / name, dump_json(json)); !written) return written.error();
  }
  if (decision.calibration) {
    const auto kept = write_calibration(folder / kCalibrationFile, *decision.calibration);
    if (!kept) return kept.error();
  }
  if (auto written = write_verification(folder, verification); !written) return written.error();
  return analysis;
}

ScoreRequest request_for(const VerifyPlan& plan, const Generation& claim) {
  const GenerationSettings& settings = plan.record.settings;
  ScoreRequest request = request_of(claim, settings, plan.replay);
  const auto& setups = plan.record.setups;
  const auto claimed = std::find_if(setups.begin(), setups.end(),
                                    [&](const Setup& setup) { return setup.name == claim.setup; });
  request.check_tokens = claimed == setups.end() || choice_is_known(*claimed, settings.sampling);
  return request;
}

// How many of `units` from the first on have its verifier.
std::size_t of_one_verifier(std::span<const Unit> units) {
  const auto other = std::find_if(units.begin(), units.end(),
                                  [&](const Unit& unit) { return unit.verifier != units.front().verifier; });
  return static_cast<std::size_t>(other - units.begin());
}

// Opens the engines, then does those of `units` that the progress file does not have; nothing: stopped early.
Result<std::optional<std::vector<Reexecution>>> do_units(const VerifyPlan& plan,
                                                         const std::vector<Unit>& units, Progress& progress,
                                                         std::vector<Setup>& setups, const RunHooks& hooks) {
  EngineSlot slot(hooks, plan.file);
  const auto check = [&](const Setup&, const Engine& engine) { return check_engine(plan, engine); };
  if (auto checked = slot.try_each(plan.setups, check, setups); !checked) return checked.error();
  if (auto settled = settle_ran(setups, progress); !settled) return settled.error();
  std::vector<Reexecution> runs;
  for (std::size_t i = 0; i < units.size() && i < progress.lines().size(); ++i) {
    auto done = read_unit(plan, units[i], {progress.lines()[i], progress.place(i)});
    if (!done) return done.error();
    runs.push_back(*std::move(done));
  }
  while (runs.size() < units.size()) {
    const std::span left = std::span(units).subspan(runs.size());
    const std::size_t verifier = left.front().verifier;
    const std::string name = verifier_name(plan.setups[verifier], plan.setups);
    const auto engine = slot.get(plan.setups[verifier]);
    if (!engine) return engine.error();
    const auto claim_of = [&](Index job) -> const Generation& {
      return plan.record.generations[left[static_cast<std::size_t>(job)].claim];
    };
    const auto take = [&](Index job, Scores scores) -> Result<void> {
      const Generation& claim = claim_of(job);
      auto run = reexecution_of(claim, name, std::move(scores));
      const auto compared = compare_one(claim, run, owed_ids(setups[verifier], word(plan.replay)), plan.rule,
                                        plan.record.settings.top_k);
      if (!compared) return compared.error();
      if (auto kept = progress.append(to_line(run)); !kept) return kept.error();
      hooks.log(log_line(*compared, plan.setups, runs.size(), units.size()));
      runs.push_back(std::move(run));
      return {};
    };
    const auto all =
        (*engine)->score_all({.count = static_cast<Index>(of_one_verifier(left)),
                              .request = [&](Index job) { return request_for(plan, claim_of(job)); },
                              .take = take,
                              .stopped = [&] { return hooks.stopped(); }},
                             plan.replay);
    if (!all) return all.error();
    if (!*all) return std::optional<std::vector<Reexecution>>();
  }
  return std::optional(std::move(runs));
}

// The record's references, ascending.
std::vector<Index> references_of(const Record& record) {
  std::set<Index> references;
  for (const Generation& claim : record.generations) references.insert(claim.reference);
  return {references.begin(), references.end()};
}

// By unit: the place of its reference among the record's.
std::vector<Index> ranks_of(const VerifyPlan& plan, const std::vector<Unit>& units) {
  const std::vector<Index> references = references_of(plan.record);
  std::vector<Index> ranks;
  for (const Unit& unit : units) {
    const Index reference = plan.record.generations[unit.claim].reference;
    ranks.push_back(std::lower_bound(references.begin(), references.end(), reference) - references.begin());
  }
  return ranks;
}

}  // namespace

Result<std::optional<VerificationAnalysis>> run_verify(const VerifyPlan& plan,
                                                       const std::filesystem::path& folder,
                                                       const RunHooks& hooks) {
  auto progress = Progress::open(folder, plan_as_json(plan), stamp_as_json(plan.timestamp, plan.environment));
  if (!progress) return progress.error();
  std::vector<Setup> ran = plan.setups;
  const std::vector<Unit> units = units_of(plan);
  auto runs = do_units(plan, units, *progress, ran, hooks);
  if (!runs) return runs.error();
  if (!*runs) return std::optional<VerificationAnalysis>();
  auto verification =
      assemble(plan, std::move(ran), progress->stamp(), progress->file(), units, **std::move(runs));
  if (!verification) return verification.error();
  auto analysis = write_run(folder, *verification, plan.decision);
  if (!analysis) return analysis.error();
  if (auto removed = progress->remove(); !removed) return removed.error();
  return std::optional(*std::move(analysis));
}

Result<bool> run_verify_shard(const VerifyPlan& plan, const RunShard& shard,
                              const std::filesystem::path& folder, const RunHooks& hooks) {
  const auto references = static_cast<Index>(references_of(plan.record).size());
  const auto json = shard_plan(plan_as_json(plan), shard, references);
  if (!json) return json.error();
  auto progress = Progress::open(folder, *json, stamp_as_json(plan.timestamp, plan.environment));
  if (!progress) return progress.error();
  std::vector<Setup> ran = plan.setups;
  const std::vector<Unit> all = units_of(plan);
  const std::vector<Index> ranks = ranks_of(plan, all);
  std::vector<Unit> units;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (holds(shard, ranks[i])) units.push_back(all[i]);
  }
  const auto runs = do_units(plan, units, *progress, ran, hooks);
  if (!runs) return runs.error();
  return runs->has_value();
}

Result<VerificationAnalysis> merge_verify(const JoinedShards& shards, const std::filesystem::path& folder,
                                          const DecisionOptions& decision) {
  const auto plan = verify_plan_of(shards.plan, shards.file, decision);
  if (!plan) return plan.error();
  std::vector<Setup> ran = plan->setups;
  if (auto taken = take_ran(ran, shards.stamp, shards.file); !taken) return taken.error();
  const std::vector<Unit> units = units_of(*plan);
  const auto lines = shards.in_order(ranks_of(*plan, units));
  if (!lines) return lines.error();
  std::vector<Reexecution> runs;
  for (std::size_t i = 0; i < units.size(); ++i) {
    auto done = read_unit(*plan, units[i], (*lines)[i]);
    if (!done) return done.error();
    runs.push_back(*std::move(done));
  }
  const auto verification =
      assemble(*plan, std::move(ran), shards.stamp, shards.file, units, std::move(runs));
  if (!verification) return verification.error();
  if (std::filesystem::exists(folder / "manifest.json")) {
    const auto before = read_verification(folder);
    if (!before) return before.error();
    if (!(*before == *verification)) {
      return Error{folder.string(), "", "a new folder or what these shards give", "another run"};
    }
  }
  return write_run(folder, *verification, plan->decision);
}

}  // namespace assay
