#include "experiment/verify_plan.h"

#include <algorithm>

#include "experiment/environment.h"
#include "record/fingerprint.h"
#include "record/run_folder.h"

namespace assay {

Json plan_as_json(const VerifyPlan& plan) {
  return {{"kind", "verify"},
          {"assay_version", lookup(plan.environment, "assay_version")},
          {"record", fingerprint(plan.record)},
          {"record_file", plan.record_file},
          {"sampling", sampling_as_json(plan.record.settings.sampling)},
          {"setups", setups_as_json(plan.setups)},
          {"replay", word(plan.replay)},
          {"distance", word(plan.rule)}};
}

Result<VerifyPlan> verify_plan_of(const Json& json, const std::string& file,
                                  const DecisionOptions& decision) {
  const auto record_file = json_get<std::string>(json, file, "record_file");
  if (!record_file) return record_file.error();
  auto record = read_generation(*record_file);
  if (!record) return record.error();
  const auto print = json_get<std::string>(json, file, "record");
  if (!print) return print.error();
  if (const std::string found = fingerprint(*record); found != *print) {
    return Error{*record_file, "fingerprint", *print + ", as the shards verified it", found};
  }
  auto setups = setups_of(json, file);
  if (!setups) return setups.error();
  const auto replay = json_get<std::string>(json, file, "replay");
  if (!replay) return replay.error();
  if (*replay != word(Replay::prefill) && *replay != word(Replay::decode)) {
    return Error{file, "replay", "prefill or decode", *replay};
  }
  const auto distance = json_get<std::string>(json, file, "distance");
  if (!distance) return distance.error();
  const auto rule = distance_rule(*distance);
  if (!rule) return Error{file, "distance", "a known rule", *distance};
  return VerifyPlan{.file = file,
                    .record = *std::move(record),
                    .record_file = *record_file,
                    .setups = *std::move(setups),
                    .replay = *replay == word(Replay::decode) ? Replay::decode : Replay::prefill,
                    .rule = *rule,
                    .decision = decision,
                    .environment = {},
                    .timestamp = {}};
}

Result<VerifyPlan> plan_verify(const Experiment& experiment, const std::filesystem::path& record,
                               ThreadPool& pool, Replay replay, DistanceRule rule,
                               const std::vector<std::string>& devices, DecisionOptions decision,
                               const HubOptions& hub) {
  auto read = read_generation(record);
  if (!read) return read.error();
  const auto& claims = read->setups;
  const bool any = std::any_of(experiment.setups.begin(), experiment.setups.end(), [&](const Setup& setup) {
    return std::any_of(claims.begin(), claims.end(), [&](const Setup& c) { return c.name == setup.name; });
  });
  if (!any) {
    std::string names;
    for (const Setup& claim : claims) names += (names.empty() ? "" : ", ") + claim.name;
    return Error{experiment.file.string(), "setups", "one of the record's setups (" + names + ")",
                 "none of them"};
  }
  auto setups = hash_setups(experiment.setups, pool, hub);
  if (!setups) return setups.error();
  Environment environment = capture_environment();
  if (decision.calibration) {
    Verification asked;
    asked.environment = environment;
    asked.setups = *setups;
    const auto fits = check_calibration(*decision.calibration, asked, decision.calibration_file);
    if (!fits) return fits.error();
  }
  return VerifyPlan{.file = experiment.file.string(),
                    .record = *std::move(read),
                    .record_file = record.string(),
                    .setups = under_devices(*setups, devices),
                    .replay = replay,
                    .rule = rule,
                    .decision = std::move(decision),
                    .environment = std::move(environment),
                    .timestamp = utc_now()};
}

}  // namespace assay
