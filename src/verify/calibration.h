// What honest runs look like: noise models, and the scores that honest prompts reach. Made by
// `assay calibrate`, read by verify and analyze; the prompt is the unit of exchangeability throughout.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "record/record.h"
#include "verify/likelihood_path.h"

namespace assay {

// A setup on a device: what may have produced a record.
struct Hypothesis {
  std::string setup;
  std::string device;
  auto operator<=>(const Hypothesis&) const = default;
};

std::string name_of(const Hypothesis& hypothesis);   // "awq on a100"
std::string device_word(const std::string& device);  // "a server" where a calibration has no device

// Both scores of one prompt (likelihood_path.h); large is strange.
struct PromptScore {
  double logprobs = 0;
  double tokens = 0;
  Index differs_after = 0;  // positions up to the first whose bits differ; 0 = none does
  bool operator==(const PromptScore&) const = default;
};

// The test prompts that `truth` made, scored as if the cell's hypothesis had.
struct TruthScores {
  Hypothesis truth;
  std::vector<PromptScore> prompts;
  bool operator==(const TruthScores&) const = default;
};

// One hypothesis seen from one verifier device.
struct CalibrationCell {
  Hypothesis hypothesis;
  std::string verifier_device;
  std::string engine = {};                  // that made the honest runs: "vllm", ...; empty: native
  std::string verifier_engine = {};         // that re-executed them
  NoiseModel noise = {};                    // of the fit prompts
  std::vector<double> logprob_scores = {};  // of the calibration prompts, ascending
  std::vector<double> token_scores = {};    //
  std::vector<TruthScores> test = {};       // the hypothesis itself among the truths
};

// Positions at which a record has the bits of a setup that did not make it. Both bounds are at 95 %, the
// second is of positions that follow an equal one of the same prompt and phase, so that chance that comes in
// runs is not counted twice.
struct Coincidence {
  Index positions = 0;
  Index equal = 0;
  double upper_bound = 1;
  Index after_equal = 0;
  Index equal_after_equal = 0;
  double upper_bound_after_equal = 1;
  bool operator==(const Coincidence&) const = default;
};

// Honest claims of the test prompts under one pair of devices that were refuted at `alpha`.
struct FalsePositives {
  std::string claimed_device;
  std::string verifier_device;
  Index prompts_a_claim = 0;
  Index claims = 0;
  Index refuted = 0;
  Index independent = 0;   // groups of prompts: claims of one group share their prompts
  double upper_bound = 1;  // 95 %, from `independent`
  bool operator==(const FalsePositives&) const = default;
};

struct Calibration {
  std::vector<Setup> setups;  // device empty: cells say on which
  std::string replay;         // prefill or decode
  GenerationSettings settings;
  Environment environment;  // of the program that made it
  double alpha = 1e-3;      // of false_positives
  Index fit_prompts = 0;
  Index calibration_prompts = 0;
  Index test_prompts = 0;
  // Most of them in one honest prompt: what lies beyond is not calibrated.
  Index prefill_positions = 0;
  Index decode_positions = 0;
  Index tokens = 0;
  Coincidence coincidence;
  std::vector<FalsePositives> false_positives;
  std::vector<CalibrationCell> cells;
  // Of likelihood_path.h: a hypothesis' rivals are the other setups on its device.
  double weights() const { return static_cast<double>(setups.size()) + 1; }
};

// Coincidences of several pairs: adds one pair's positions of one prompt.
class CoincidenceCounter {
 public:
  explicit CoincidenceCounter(Index prompts);
  void add(Index prompt, std::span<const PositionDifferences> positions);
  // With prompts as clusters; without, positions count as independent, which few prompts force.
  Coincidence clustered() const;
  Coincidence unclustered() const;

 private:
  std::vector<Index> positions_;  // by prompt
  std::vector<Index> equal_;
  std::vector<Index> after_;
  std::vector<Index> equal_after_;
};

// Null where there is none.
const CalibrationCell* find_cell(const Calibration& calibration, const Hypothesis& hypothesis,
                                 const std::string& verifier_device);

// One honest claim and what one verifier setup on one device gave for it.
struct HonestRun {
  Index prompt = 0;
  Hypothesis truth;
  Hypothesis verifier;
  std::vector<PositionDifferences> positions;
  Index tokens = 0;
  double token_score = 0;
};

struct CalibrationSplit {
  Index fit = 0;
  Index calibration = 0;  // the rest of the prompts are test prompts
  Index prompts_a_claim = 4;
};

// `frame` has setups, replay, settings, environment, alpha; prompts 0 .. split.fit - 1 are fitted to, the
// next split.calibration scored, the rest tested. Runs in any order; every (truth, verifier setup) must have
// the same prompts. Error (file names the runs): a split that leaves no prompt to a part, a run that is missing.
Result<Calibration> calibrate(Calibration frame, std::span<const HonestRun> runs,
                              const CalibrationSplit& split, ThreadPool& pool, const std::string& file);

}  // namespace assay
