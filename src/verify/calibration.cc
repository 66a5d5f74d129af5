#include "verify/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "stats/binomial.h"
#include "verify/claim_process.h"

namespace assay {
namespace {

using RunKey = std::tuple<Hypothesis, Hypothesis, Index>;  // truth, verifier, prompt

// The honest runs and who is in them.
struct Runs {
  std::map<RunKey, const HonestRun*> all;
  std::vector<Hypothesis> truths;  // in order
  std::vector<std::string> verifier_devices;
  Index prompts = 0;

  const HonestRun& at(const Hypothesis& truth, const Hypothesis& verifier, Index prompt) const {
    return *all.at({truth, verifier, prompt});
  }
};

Result<Runs> index_runs(const Calibration& frame, std::span<const HonestRun> runs, const std::string& file) {
  Runs index;
  std::set<Hypothesis> truths;
  std::set<std::string> devices;
  for (const HonestRun& run : runs) {
    index.all[{run.truth, run.verifier, run.prompt}] = &run;
    truths.insert(run.truth);
    devices.insert(run.verifier.device);
    index.prompts = std::max(index.prompts, run.prompt + 1);
  }
  index.truths = {truths.begin(), truths.end()};
  index.verifier_devices = {devices.begin(), devices.end()};
  for (const Hypothesis& truth : index.truths) {
    for (const std::string& device : index.verifier_devices) {
      for (const Setup& setup : frame.setups) {
        for (Index prompt = 0; prompt < index.prompts; ++prompt) {
          if (index.all.contains({truth, {setup.name, device}, prompt})) continue;
          return Error{file, fmt::format("prompt {}", prompt),
                       fmt::format("{}, re-executed by {} on {}", name_of(truth), setup.name, device),
                       "no such run"};
        }
      }
    }
  }
  return index;
}

NoiseModel fit_cell(const Runs& runs, const Hypothesis& hypothesis, const std::string& device,
                    Index fit_prompts) {
  std::vector<PositionDifferences> positions;
  for (Index prompt = 0; prompt < fit_prompts; ++prompt) {
    const HonestRun& run = runs.at(hypothesis, {hypothesis.setup, device}, prompt);
    positions.insert(positions.end(), run.positions.begin(), run.positions.end());
  }
  return fit_noise(positions);
}

PromptScore score(const Calibration& calibration, const Runs& runs, const CalibrationCell& cell,
                  const Hypothesis& truth, Index prompt) {
  const HonestRun& own = runs.at(truth, {cell.hypothesis.setup, cell.verifier_device}, prompt);
  std::vector<Explanation> rivals;
  for (const Setup& setup : calibration.setups) {
    const auto* rival = find_cell(calibration, {setup.name, cell.hypothesis.device}, cell.verifier_device);
    if (rival == nullptr || rival == &cell) continue;
    rivals.push_back({runs.at(truth, {setup.name, cell.verifier_device}, prompt).positions, &rival->noise});
  }
  const auto path = score_path({own.positions, &cell.noise}, rivals, calibration.weights());
  const auto differs = std::find_if(own.positions.begin(), own.positions.end(),
                                    [](const PositionDifferences& position) { return !position.bit_equal; });
  const Index after = differs == own.positions.end() ? 0 : differs - own.positions.begin() + 1;
  return {kept_score(path.empty() ? 0 : path.back()), kept_score(own.token_score), after};
}

void score_cell(const Calibration& calibration, const Runs& runs, CalibrationCell& cell) {
  const Index first_test = calibration.fit_prompts + calibration.calibration_prompts;
  for (Index prompt = calibration.fit_prompts; prompt < first_test; ++prompt) {
    const PromptScore scored = score(calibration, runs, cell, cell.hypothesis, prompt);
    cell.logprob_scores.push_back(scored.logprobs);
    cell.token_scores.push_back(scored.tokens);
  }
  std::sort(cell.logprob_scores.begin(), cell.logprob_scores.end());
  std::sort(cell.token_scores.begin(), cell.token_scores.end());
  for (const Hypothesis& truth : runs.truths) {
    TruthScores& test = cell.test.emplace_back(TruthScores{truth, {}});
    for (Index prompt = first_test; prompt < runs.prompts; ++prompt) {
      test.prompts.push_back(score(calibration, runs, cell, truth, prompt));
    }
  }
}

// Pairs whose every bit agrees are one setup under two names, and no coincidence.
Coincidence coincidence_of(const Runs& runs, std::span<const HonestRun> all) {
  std::set<std::pair<Hypothesis, Hypothesis>> differing;
  for (const HonestRun& run : all) {
    const bool equal = std::all_of(run.positions.begin(), run.positions.end(),
                                   [](const PositionDifferences& position) { return position.bit_equal; });
    if (!equal) differing.insert({run.truth, run.verifier});
  }
  CoincidenceCounter counter(runs.prompts);
  for (const HonestRun& run : all) {
    if (run.truth == run.verifier || !differing.contains({run.truth, run.verifier})) continue;
    counter.add(run.prompt, run.positions);
  }
  return counter.clustered();
}

FalsePositives count_false_positives(const Calibration& calibration, const std::string& claimed_device,
                                     const std::string& verifier_device, Index prompts_a_claim) {
  FalsePositives count{.claimed_device = claimed_device,
                       .verifier_device = verifier_device,
                       .prompts_a_claim = prompts_a_claim};
  std::set<Index> refuted_groups;
  for (const CalibrationCell& cell : calibration.cells) {
    if (cell.hypothesis.device != claimed_device || cell.verifier_device != verifier_device) continue;
    const auto honest = std::find_if(cell.test.begin(), cell.test.end(),
                                     [&](const TruthScores& test) { return test.truth == cell.hypothesis; });
    const auto& prompts = honest->prompts;
    const auto size = static_cast<std::size_t>(prompts_a_claim);
    for (std::size_t first = 0; first + size <= prompts.size(); first += size) {
      const bool refuted =
          prompts_to_refute(cell, std::span(prompts).subspan(first, size), calibration.alpha) > 0;
      ++count.claims;
      count.refuted += refuted ? 1 : 0;
      if (refuted) refuted_groups.insert(static_cast<Index>(first));
    }
    count.independent = static_cast<Index>(prompts.size() / size);
  }
  count.upper_bound = rate_upper_bound(static_cast<Index>(refuted_groups.size()), count.independent, 0.95);
  return count;
}

}  // namespace

CoincidenceCounter::CoincidenceCounter(Index prompts)
    : positions_(static_cast<std::size_t>(prompts)),
      equal_(positions_.size()),
      after_(positions_.size()),
      equal_after_(positions_.size()) {}

void CoincidenceCounter::add(Index prompt, std::span<const PositionDifferences> positions) {
  const auto at = static_cast<std::size_t>(prompt);
  const PositionDifferences* previous = nullptr;
  for (const PositionDifferences& position : positions) {
    const bool follows = previous != nullptr && previous->decode == position.decode && previous->bit_equal;
    ++positions_[at];
    equal_[at] += position.bit_equal ? 1 : 0;
    after_[at] += follows ? 1 : 0;
    equal_after_[at] += follows && position.bit_equal ? 1 : 0;
    previous = &position;
  }
}

Coincidence CoincidenceCounter::unclustered() const {
  const auto sum = [](const std::vector<Index>& counts) {
    return std::accumulate(counts.begin(), counts.end(), Index{0});
  };
  Coincidence result{.positions = sum(positions_),
                     .equal = sum(equal_),
                     .after_equal = sum(after_),
                     .equal_after_equal = sum(equal_after_)};
  result.upper_bound = rate_upper_bound(result.equal, result.positions, 0.95);
  result.upper_bound_after_equal = rate_upper_bound(result.equal_after_equal, result.after_equal, 0.95);
  return result;
}

Coincidence CoincidenceCounter::clustered() const {
  Coincidence result = unclustered();
  result.upper_bound = clustered_rate_upper_bound(equal_, positions_, 0.95);
  result.upper_bound_after_equal = clustered_rate_upper_bound(equal_after_, after_, 0.95);
  return result;
}

std::string name_of(const Hypothesis& hypothesis) {
  return hypothesis.device.empty() ? hypothesis.setup : hypothesis.setup + " on " + hypothesis.device;
}

std::string device_word(const std::string& device) { return device.empty() ? "a server" : device; }

const CalibrationCell* find_cell(const Calibration& calibration, const Hypothesis& hypothesis,
                                 const std::string& verifier_device) {
  const auto found =
      std::find_if(calibration.cells.begin(), calibration.cells.end(), [&](const CalibrationCell& cell) {
        return cell.hypothesis == hypothesis && cell.verifier_device == verifier_device;
      });
  return found == calibration.cells.end() ? nullptr : &*found;
}

Result<Calibration> calibrate(Calibration frame, std::span<const HonestRun> all,
                              const CalibrationSplit& split, ThreadPool& pool, const std::string& file) {
  const auto runs = index_runs(frame, all, file);
  if (!runs) return runs.error();
  if (split.fit < 1 || split.calibration < 1 || split.fit + split.calibration >= runs->prompts) {
    return Error{file, "prompts", "at least one prompt to fit, to calibrate and to test",
                 fmt::format("{}, {} and {}", split.fit, split.calibration,
                             runs->prompts - split.fit - split.calibration)};
  }
  frame.fit_prompts = split.fit;
  frame.calibration_prompts = split.calibration;
  frame.test_prompts = runs->prompts - split.fit - split.calibration;
  for (const HonestRun& run : all) {
    const auto decode = std::count_if(run.positions.begin(), run.positions.end(),
                                      [](const PositionDifferences& position) { return position.decode; });
    const auto prefill = static_cast<Index>(run.positions.size()) - decode;
    frame.prefill_positions = std::max(frame.prefill_positions, prefill);
    frame.decode_positions = std::max(frame.decode_positions, static_cast<Index>(decode));
    frame.tokens = std::max(frame.tokens, run.tokens);
  }
  for (const std::string& device : runs->verifier_devices) {
    for (const Hypothesis& truth : runs->truths) {
      frame.cells.push_back({.hypothesis = truth, .verifier_device = device});
    }
  }
  const auto cells = static_cast<Index>(frame.cells.size());
  const auto cell = [&](Index i) -> CalibrationCell& { return frame.cells[static_cast<std::size_t>(i)]; };
  pool.parallel_for(cells, [&](Index i) {
    cell(i).noise = fit_cell(*runs, cell(i).hypothesis, cell(i).verifier_device, split.fit);
  });
  pool.parallel_for(cells, [&](Index i) { score_cell(frame, *runs, cell(i)); });
  frame.coincidence = coincidence_of(*runs, all);
  std::set<std::pair<std::string, std::string>> pairs;
  for (const CalibrationCell& c : frame.cells) pairs.insert({c.hypothesis.device, c.verifier_device});
  for (const auto& [claimed, verifier] : pairs) {
    frame.false_positives.push_back(count_false_positives(frame, claimed, verifier, split.prompts_a_claim));
  }
  return frame;
}

}  // namespace assay
