// `assay calibrate`: honest runs of every setup on every device, re-executed by every setup on the verifier's
// devices; from them the noise-model file.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "experiment/experiment_file.h"
#include "experiment/generate.h"
#include "experiment/run.h"
#include "verify/calibration.h"

namespace assay {

struct CalibrateOptions {
  std::vector<std::string> devices;           // that claims may name; of native setups
  std::vector<std::string> verifier_devices;  // that re-execute them; likewise
  std::optional<Experiment> verifiers;        // whose setups re-execute; default: the experiment's own
  Replay replay = Replay::prefill;
  double alpha = 1e-3;
  std::optional<double> promise;     // the rate of false alarms that the test prompts must be able to bound
  std::optional<Index> fit;          // prompts; default: a fifth of them
  std::optional<Index> calibration;  // default: three fifths
  Index prompts_a_claim = 4;
};

struct CalibratePlan {
  GeneratePlan base;           // prompts in a shuffled order, so that the parts of the split are exchangeable
  std::vector<Setup> provers;  // setups x devices; those of servers once, on their own
  std::vector<Setup> verifiers;  // setups x verifier devices
  std::string verifier_file;     // where `verifiers` stand
  CalibrateOptions options;
  CalibrationSplit split;
};

// Error: as plan_generate; a native setup without a device, or a device where all setups are servers'; verifiers of
// other names, models or quantizations than the provers', or of one name on fewer devices than another; a split that
// leaves nothing to a part; a promise that the test prompts cannot support (names how many it takes).
Result<CalibratePlan> plan_calibrate(const Experiment& experiment, const CalibrateOptions& options,
                                     ThreadPool& pool, const HubOptions& hub = {});

struct CalibrateHooks {
  std::function<Result<std::unique_ptr<Engine>>(const Setup&, ThreadPool&)> open;
  std::function<bool()> stopped = [] { return false; };        // asked before each unit
  std::function<void(const std::string&)> log = [](auto&) {};  // from one thread at a time
};

// Opens one engine for each thread of `pool`; a unit is a prompt under one setup. Resumes what is in `folder`,
// and at the end writes calibration.json there. The file does not depend on the number of threads nor on
// interruptions. progress.jsonl, the honest runs, stays: without calibration.json the same command makes it
// again from them, also with another split, alpha or promise. Nothing: stopped.
Result<std::optional<Calibration>> run_calibrate(const CalibratePlan& plan,
                                                 const std::filesystem::path& folder, ThreadPool& pool,
                                                 const CalibrateHooks& hooks);

}  // namespace assay
