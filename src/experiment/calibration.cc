#include "experiment/calibration.h"

#include <fmt/format.h>

#include "base/sha256.h"
#include "experiment/calibration_crew.h"
#include "experiment/environment.h"
#include "experiment/progress.h"
#include "stats/binomial.h"
#include "stats/draw.h"
#include "verify/calibration_file.h"

namespace assay {
namespace {

Hypothesis hypothesis_of(const std::string& key) {
  const auto at = key.rfind('@');
  return {key.substr(0, at), key.substr(at + 1)};
}

Json plan_as_json(const CalibratePlan& plan) {
  const auto names = [](const std::vector<Setup>& setups) {
    Json all = Json::object();
    for (const Setup& setup : setups) all[key_of(setup)] = setups_as_json({setup});
    return all;
  };
  return {{"kind", "calibrate"},
          {"numerics_version", lookup(plan.base.environment, "numerics_version")},
          {"prompts_sha256", sha256_hex(Json(plan.base.prompts).dump())},
          {"provers", names(plan.provers)},
          {"verifiers", names(plan.verifiers)},
          {"replay", word(plan.options.replay)},
          {"max_new_tokens", plan.base.generate.max_new_tokens},
          {"top_k", plan.base.generate.top_k},
          {"last_positions", plan.base.generate.last_positions},
          {"ignore_eos", plan.base.generate.ignore_eos},
          {"sampling", sampling_as_json(plan.base.generate.sampling)}};
}

// Every engine opens, and every prompt fits it, before anything is written.
Result<void> check_engines(const CalibratePlan& plan, const CalibrateHooks& hooks) {
  ThreadPool pool(1);
  for (const auto* setups : {&plan.provers, &plan.verifiers}) {
    for (const Setup& setup : *setups) {
      auto engine = hooks.open(setup, pool);
      if (!engine) return place_in_experiment(engine.error(), plan.base.file, setup);
      for (std::size_t prompt = 0; prompt < plan.base.prompts.size(); ++prompt) {
        auto fits = check_tokens(**engine, plan.base.prompts[prompt], plan.base.generate.max_new_tokens,
                                 plan.base.file, fmt::format("prompts[{}] under {}", prompt, setup.name));
        if (!fits) return fits;
      }
    }
  }
  return {};
}

std::vector<HonestRun> honest_runs(const CalibratePlan& plan, const Done& done) {
  std::vector<HonestRun> runs;
  for (const auto& [key, run] : done.reexecutions) {
    const auto& [prover, verifier, prompt] = key;
    HonestRun honest{
        .prompt = prompt,
        .truth = hypothesis_of(prover),
        .verifier = hypothesis_of(verifier),
        .positions = differences_of(done.generations.at({prover, prompt}), run, plan.base.generate.top_k),
        .tokens = static_cast<Index>(run.tokens.size()),
        .token_score = 0};
    const auto path = token_score_path(run.tokens);
    if (!path.empty()) honest.token_score = path.back();
    runs.push_back(std::move(honest));
  }
  return runs;
}

Calibration frame_of(const CalibratePlan& plan) {
  Calibration frame;
  frame.setups = plan.base.setups;
  for (Setup& setup : frame.setups) {
    setup.device.clear();
    setup.ran.clear();
  }
  frame.replay = word(plan.options.replay);
  frame.settings = settings_of(plan.base);
  for (const char* key : {"assay_version", "numerics_version"}) {
    frame.environment.emplace_back(key, lookup(plan.base.environment, key));
  }
  frame.alpha = plan.options.alpha;
  return frame;
}

Result<CalibrationSplit> split_of(const CalibratePlan& plan) {
  const auto prompts = static_cast<Index>(plan.base.prompts.size());
  CalibrationSplit split{.fit = plan.options.fit.value_or(prompts / 5),
                         .calibration = plan.options.calibration.value_or(3 * prompts / 5),
                         .prompts_a_claim = plan.options.prompts_a_claim};
  const Index test = prompts - split.fit - split.calibration;
  if (split.fit < 1 || split.calibration < 1 || test < split.prompts_a_claim) {
    return Error{plan.base.file, "prompts.references",
                 fmt::format("prompts to fit, to calibrate, and at least {} to test", split.prompts_a_claim),
                 fmt::format("{}, {} and {}", split.fit, split.calibration, test)};
  }
  if (plan.options.promise) {
    const Index needed = trials_to_promise(*plan.options.promise, 0.95) * split.prompts_a_claim;
    if (test < needed) {
      return Error{
          plan.base.file, "prompts.references",
          fmt::format("at least {} test prompts ({} claims of {}) to promise a rate of {}: no false alarm in "
                      "n claims bounds it by 3/n",
                      needed, needed / split.prompts_a_claim, split.prompts_a_claim, *plan.options.promise),
          fmt::format("{} test prompts", test)};
    }
  }
  return split;
}

}  // namespace

Result<CalibratePlan> plan_calibrate(const Experiment& experiment, const CalibrateOptions& options,
                                     ThreadPool& pool, const HubOptions& hub) {
  for (const auto& [key, devices] :
       {std::pair("--device", &options.devices), std::pair("--verifier-device", &options.verifier_devices)}) {
    if (devices->empty()) return Error{experiment.file.string(), key, "at least one device", "none"};
  }
  auto base = plan_generate(experiment, pool, hub);
  if (!base) return base.error();
  SplitMix64 random(1);
  for (std::size_t i = base->prompts.size(); i > 1; --i) {
    std::swap(base->prompts[i - 1],
              base->prompts[static_cast<std::size_t>(draw_below(random, static_cast<Index>(i)))]);
  }
  CalibratePlan plan{
      .base = *std::move(base), .provers = {}, .verifiers = {}, .options = options, .split = {}};
  plan.provers = under_devices(plan.base.setups, options.devices);
  plan.verifiers = under_devices(plan.base.setups, options.verifier_devices);
  auto split = split_of(plan);
  if (!split) return split.error();
  plan.split = *split;
  return plan;
}

Result<std::optional<Calibration>> run_calibrate(const CalibratePlan& plan,
                                                 const std::filesystem::path& folder, ThreadPool& pool,
                                                 const CalibrateHooks& hooks) {
  if (std::filesystem::exists(folder / kCalibrationFile)) {
    return Error{(folder / kCalibrationFile).string(), "", "no calibration yet", "a complete one"};
  }
  auto progress =
      Progress::open(folder, plan_as_json(plan), stamp_as_json(plan.base.timestamp, plan.base.environment));
  if (!progress) return progress.error();
  if (auto checked = check_engines(plan, hooks); !checked) return checked.error();
  Done done;
  for (std::size_t i = 0; i < progress->lines().size(); ++i) {
    if (auto read = read_line(progress->lines()[i], progress->place(i), done); !read) return read.error();
  }
  Crew crew(plan, *progress, done, pool, hooks);
  for (const Setup& prover : plan.provers) {
    const auto whole = crew.generate(prover);
    if (!whole) return whole.error();
    if (!*whole) return std::optional<Calibration>();
  }
  for (const Setup& verifier : plan.verifiers) {
    const auto whole = crew.verify(verifier);
    if (!whole) return whole.error();
    if (!*whole) return std::optional<Calibration>();
  }
  const std::vector<HonestRun> runs = honest_runs(plan, done);
  auto calibration = calibrate(frame_of(plan), runs, plan.split, pool, folder.string());
  if (!calibration) return calibration.error();
  if (auto written = write_calibration(folder / kCalibrationFile, *calibration); !written)
    return written.error();
  return std::optional(*std::move(calibration));
}

}  // namespace assay
