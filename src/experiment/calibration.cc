#include "experiment/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/sha256.h"
#include "experiment/calibration_crew.h"
#include "experiment/environment.h"
#include "experiment/progress.h"
#include "stats/binomial.h"
#include "stats/draw.h"
#include "verify/calibration_file.h"
#include "verify/environment.h"

namespace assay {
namespace {

Hypothesis hypothesis_of(const std::string& key) {
  const auto at = key.rfind('@');
  if (at == std::string::npos) return {.setup = key, .device = ""};
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
  for (const auto& [setups, file] :
       {std::pair(&plan.provers, &plan.base.file), std::pair(&plan.verifiers, &plan.verifier_file)}) {
    for (const Setup& setup : *setups) {
      auto engine = hooks.open(setup, pool);
      if (!engine) return place_in_experiment(engine.error(), *file, setup);
      for (std::size_t prompt = 0; prompt < plan.base.prompts.size(); ++prompt) {
        auto fits = check_tokens(**engine, plan.base.prompts[prompt], plan.base.generate.max_new_tokens,
                                 *file, fmt::format("prompts[{}] under {}", prompt, setup.name));
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

// Null where there is none.
const Setup* named(const std::vector<Setup>& setups, const std::string& name) {
  const auto found =
      std::find_if(setups.begin(), setups.end(), [&](const Setup& s) { return s.name == name; });
  return found == setups.end() ? nullptr : &*found;
}

Calibration frame_of(const CalibratePlan& plan) {
  Calibration frame;
  for (Setup setup : plan.verifiers) {
    if (named(frame.setups, setup.name) != nullptr) continue;
    setup.device.clear();
    setup.ran.clear();
    frame.setups.push_back(std::move(setup));
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

void name_engines(const CalibratePlan& plan, Calibration& calibration) {
  const auto engine = [](const std::vector<Setup>& setups, const std::string& name,
                         const std::string& device) {
    const auto found = std::find_if(setups.begin(), setups.end(), [&](const Setup& setup) {
      return setup.name == name && setup.device == device;
    });
    return found != setups.end() && found->server ? found->server->engine : "";
  };
  for (CalibrationCell& cell : calibration.cells) {
    cell.engine = engine(plan.provers, cell.hypothesis.setup, cell.hypothesis.device);
    cell.verifier_engine = engine(plan.verifiers, cell.hypothesis.setup, cell.verifier_device);
  }
}

// Devices are of native setups; a server's is its own.
Result<void> check_devices(const std::vector<Setup>& setups, const std::vector<std::string>& devices,
                           const std::string& file, const char* key) {
  const bool native = std::any_of(setups.begin(), setups.end(), [](const Setup& s) { return !s.server; });
  if (native && devices.empty()) return Error{file, key, "at least one device", "none"};
  if (native || devices.empty()) return {};
  return Error{file, key, "no device: every setup is a server's, whose device is the setup's own key",
               devices.front()};
}

// Claim and re-execution meet by name, and a claim is compared with its rivals on one device.
Result<void> check_pairs(const CalibratePlan& plan) {
  std::set<std::string> names;
  std::set<std::string> devices;
  for (const Setup& verifier : plan.verifiers) {
    names.insert(verifier.name);
    devices.insert(verifier.device);
    const std::string place = "setups." + verifier.name;
    const Setup* prover = named(plan.provers, verifier.name);
    if (prover == nullptr)
      return Error{plan.base.file, place, "a setup, as " + plan.verifier_file + " has it", "none"};
    const auto mismatches = setup_mismatches(*prover, verifier);
    if (mismatches.empty()) continue;
    return Error{plan.verifier_file, place + "." + mismatches.front().key,
                 mismatches.front().reference + ", as " + plan.base.file + " has it",
                 mismatches.front().verifier};
  }
  for (const Setup& prover : plan.provers) {
    if (names.contains(prover.name)) continue;
    return Error{plan.verifier_file, "setups." + prover.name, "a setup, as " + plan.base.file + " has it",
                 "none"};
  }
  if (plan.verifiers.size() == names.size() * devices.size()) return {};
  return Error{plan.verifier_file, "setups", "verifiers that are all on the same devices",
               "native ones and servers on different ones"};
}

}  // namespace

Result<CalibratePlan> plan_calibrate(const Experiment& experiment, const CalibrateOptions& options,
                                     ThreadPool& pool, const HubOptions& hub) {
  const Experiment& verifying = options.verifiers ? *options.verifiers : experiment;
  for (const auto& [side, key, devices] :
       {std::tuple(&experiment, "--device", &options.devices),
        std::tuple(&verifying, "--verifier-device", &options.verifier_devices)}) {
    auto checked = check_devices(side->setups, *devices, side->file.string(), key);
    if (!checked) return checked.error();
  }
  auto base = plan_generate(experiment, pool, hub);
  if (!base) return base.error();
  SplitMix64 random(1);
  for (std::size_t i = base->prompts.size(); i > 1; --i) {
    std::swap(base->prompts[i - 1],
              base->prompts[static_cast<std::size_t>(draw_below(random, static_cast<Index>(i)))]);
  }
  std::vector<Setup> verifiers = base->setups;
  if (options.verifiers) {
    auto hashed = hash_setups(verifying.setups, pool, hub);
    if (!hashed) return hashed.error();
    verifiers = *std::move(hashed);
  }
  CalibratePlan plan{.base = *std::move(base),
                     .provers = {},
                     .verifiers = under_devices(verifiers, options.verifier_devices),
                     .verifier_file = verifying.file.string(),
                     .options = options,
                     .split = {}};
  plan.provers = under_devices(plan.base.setups, options.devices);
  if (auto paired = check_pairs(plan); !paired) return paired.error();
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
  name_engines(plan, *calibration);
  if (auto written = write_calibration(folder / kCalibrationFile, *calibration); !written)
    return written.error();
  return std::optional(*std::move(calibration));
}

}  // namespace assay
