#include "verify/noisy_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "stats/draw.h"
#include "verify/claim_process.h"
#include "verify/exact_evidence.h"
#include "verify/precision.h"

namespace assay {
namespace {

// A column of the verification that a cell of the calibration covers.
struct CoveredColumn {
  const CalibrationCell* cell = nullptr;
  std::string verifier;  // as verifier_name says
};

// That made the record; empty: native, or a program that does not say.
std::string engine_of(const ClaimView& claim) {
  return claim.words == nullptr ? "" : lookup(claim.words->ran, "engine");
}

// The verifier's column of a setup on a device by an engine; "" if it was not run.
std::string column_of(const ClaimView& claim, const std::string& setup, const std::string& device,
                      const std::string& engine) {
  const auto& setups = claim.verification.setups;
  const auto found = std::find_if(setups.begin(), setups.end(), [&](const Setup& candidate) {
    return candidate.name == setup && candidate.device == device && lookup(candidate.ran, "engine") == engine;
  });
  return found == setups.end() ? "" : verifier_name(*found, setups);
}

std::vector<CoveredColumn> covered(const Calibration& calibration, const ClaimView& claim,
                                   const Hypothesis& hypothesis) {
  std::vector<CoveredColumn> columns;
  for (const CalibrationCell& cell : calibration.cells) {
    if (cell.hypothesis != hypothesis || cell.engine != engine_of(claim)) continue;
    const std::string verifier =
        column_of(claim, hypothesis.setup, cell.verifier_device, cell.verifier_engine);
    if (!verifier.empty()) columns.push_back({&cell, verifier});
  }
  return columns;
}

// The positions that the calibration speaks of: the first so many of each phase, up to the first that the
// record leaves out. An honest path that stops early scores no more than a whole one; one with gaps might.
std::vector<PositionDifferences> calibrated_positions(const Calibration& calibration, const ClaimView& claim,
                                                      const Generation& prompt, const Reexecution& run) {
  const std::vector<Index> promised = promised_positions(prompt, claim.verification.claimed_settings);
  std::vector<PositionDifferences> all = differences_of(prompt, run, calibration.settings.top_k);
  std::vector<PositionDifferences> kept;
  Index prefill = 0;
  Index decode = 0;
  for (std::size_t i = 0; i < all.size() && i < promised.size(); ++i) {
    if (all[i].position != promised[i]) break;
    const Index place = all[i].decode ? decode++ : prefill++;
    const Index limit = all[i].decode ? calibration.decode_positions : calibration.prefill_positions;
    if (place < limit) kept.push_back(std::move(all[i]));
  }
  return kept;
}

// One prompt seen from one covered column.
struct PromptPath {
  std::vector<PositionDifferences> own;
  std::vector<double> logprobs;  // score after each of `own`
  std::vector<double> tokens;    // after each of them; one more, after all tokens
  PromptScore at(std::size_t i) const { return {logprobs[i], tokens[i]}; }
  PromptScore end() const { return {logprobs.empty() ? 0 : logprobs.back(), tokens.back()}; }
};

std::vector<double> token_scores(const Calibration& calibration, const ClaimView& claim,
                                 const Reexecution& run, std::span<const PositionDifferences> positions) {
  std::vector<TokenCheck> checks = run.tokens;
  if (static_cast<Index>(checks.size()) > calibration.tokens) {
    checks.resize(static_cast<std::size_t>(calibration.tokens));
  }
  if (!same_sampling(calibration, claim)) checks.clear();
  const std::vector<double> path = token_score_path(checks);
  std::vector<double> scores;
  for (const PositionDifferences& position : positions) {
    const auto until = std::count_if(checks.begin(), checks.end(), [&](const TokenCheck& check) {
      return position.decode && check.position <= position.position;
    });
    scores.push_back(until == 0 ? 0 : path[static_cast<std::size_t>(until - 1)]);
  }
  scores.push_back(path.empty() ? 0 : path.back());
  return scores;
}

PromptPath path_of(const Calibration& calibration, const ClaimView& claim, const CoveredColumn& column,
                   const Generation& prompt) {
  PromptPath path;
  const Reexecution* run = claim.run_by(column.verifier, prompt.reference);
  if (run == nullptr) return {{}, {}, {0}};
  path.own = calibrated_positions(calibration, claim, prompt, *run);
  std::vector<std::vector<PositionDifferences>> rival_positions;
  std::vector<const NoiseModel*> rival_noise;
  for (const Setup& setup : calibration.setups) {
    const Hypothesis rival{setup.name, column.cell->hypothesis.device};
    const CalibrationCell* cell = find_cell(calibration, rival, column.cell->verifier_device);
    const std::string verifier =
        column_of(claim, setup.name, column.cell->verifier_device, column.cell->verifier_engine);
    if (cell == nullptr || cell == column.cell || verifier.empty()) continue;
    const Reexecution* other = claim.run_by(verifier, prompt.reference);
    if (other == nullptr) continue;
    rival_positions.push_back(calibrated_positions(calibration, claim, prompt, *other));
    rival_noise.push_back(&cell->noise);
  }
  std::vector<Explanation> rivals;
  for (std::size_t i = 0; i < rival_noise.size(); ++i) rivals.push_back({rival_positions[i], rival_noise[i]});
  const Explanation own{path.own, &column.cell->noise};
  const auto decimals = decimals_within(claim.prompts, prompt);
  path.logprobs = decimals ? rounded_score_path(own, calibration.weights(), std::pow(10.0, -*decimals))
                           : score_path(own, rivals, calibration.weights());
  path.tokens = token_scores(calibration, claim, *run, path.own);
  for (auto* scores : {&path.logprobs, &path.tokens}) {
    std::transform(scores->begin(), scores->end(), scores->begin(), kept_score);
  }
  return path;
}

// The claim's processes under one hypothesis, one a covered column, read together.
struct Watch {
  std::vector<ClaimProcess> processes;
  double log_max = 0;
  Index positions = 0;
  Index crossed = 0;  // positions until ln e reached the threshold; 0 = never

  void see(double log_e, double threshold) {
    log_max = std::max(log_max, log_e);
    if (crossed == 0 && log_e >= threshold) crossed = std::max(positions, Index{1});
  }
};

void watch_prompt(std::span<const PromptPath> paths, double threshold, Watch& watch) {
  const auto mean_log_e = [&](const auto& score_of) {
    std::vector<double> logs;
    for (std::size_t c = 0; c < paths.size(); ++c) {
      logs.push_back(watch.processes[c].log_e_value(score_of(paths[c])));
    }
    return log_mean_exp(logs);
  };
  for (std::size_t i = 0; i < paths.front().own.size(); ++i) {
    ++watch.positions;
    watch.see(mean_log_e(
                  [i](const PromptPath& path) { return i < path.logprobs.size() ? path.at(i) : path.end(); }),
              threshold);
  }
  watch.see(mean_log_e([](const PromptPath& path) { return path.end(); }), threshold);
  for (std::size_t c = 0; c < paths.size(); ++c) watch.processes[c].finish(paths[c].end());
}

constexpr double kTokenUnit = 0.01;
constexpr double kMostMargin = 0.1;

constexpr Index kMostPrompts = 64;
constexpr Index kDraws = 200;
constexpr double kWanted = 0.9;

// After how many resampled prompts of `truth` the claim is refuted, for each draw; kMostPrompts + 1 = never.
std::vector<Index> refuted_after(const CalibrationCell& cell, const TruthScores& truth, double alpha) {
  SplitMix64 random(1);
  std::vector<Index> after;
  for (Index draw = 0; draw < kDraws; ++draw) {
    std::vector<PromptScore> prompts;
    for (Index k = 0; k < kMostPrompts; ++k) {
      const Index at = draw_below(random, static_cast<Index>(truth.prompts.size()));
      prompts.push_back(truth.prompts[static_cast<std::size_t>(at)]);
    }
    const Index needed = prompts_to_refute(cell, prompts, alpha);
    after.push_back(needed == 0 ? kMostPrompts + 1 : needed);
  }
  std::sort(after.begin(), after.end());
  return after;
}

}  // namespace

std::string calibration_gap(const Calibration& calibration, const ClaimView& claim) {
  const GenerationSettings& mine = calibration.settings;
  const GenerationSettings& theirs = claim.verification.claimed_settings;
  if (calibration.replay != claim.verification.replay) {
    return fmt::format("the calibration is for --replay {}, this is --replay {}", calibration.replay,
                       claim.verification.replay);
  }
  if (mine.top_k != theirs.top_k) {
    return fmt::format("the calibration is for top {}, the record has top {}", mine.top_k, theirs.top_k);
  }
  if (mine.last_positions != theirs.last_positions) {
    const auto shown = [](Index last) {
      return last == 0 ? "all positions" : fmt::format("the last {}", last);
    };
    return fmt::format("the calibration is for {}, the record has {}", shown(mine.last_positions),
                       shown(theirs.last_positions));
  }
  return "";
}

bool same_sampling(const Calibration& calibration, const ClaimView& claim) {
  const Sampling& a = calibration.settings.sampling;
  const Sampling& b = claim.verification.claimed_settings.sampling;
  return a.sampler == b.sampler && a.temperature == b.temperature;
}

std::string cell_gap(const Calibration& calibration, const ClaimView& claim, const Hypothesis& hypothesis) {
  const auto shown = [](const std::string& engine) { return engine.empty() ? "the native engine" : engine; };
  const std::string made = engine_of(claim);
  for (const CalibrationCell& cell : calibration.cells) {
    if (cell.hypothesis != hypothesis || cell.engine == made) continue;
    return fmt::format("the calibration's runs of it were made by {}, the record by {}", shown(cell.engine),
                       shown(made));
  }
  return "the calibration has no runs of it seen from a device that was run";
}

bool has_cell(const Calibration& calibration, const ClaimView& claim, const Hypothesis& hypothesis) {
  return !covered(calibration, claim, hypothesis).empty();
}

CandidateEvidence noisy(const Calibration& calibration, const ClaimView& claim, const Hypothesis& hypothesis,
                        double alpha) {
  const std::vector<CoveredColumn> columns = covered(calibration, claim, hypothesis);
  CandidateEvidence evidence = replayed(claim, hypothesis, columns.front().verifier, false);
  evidence.tier = Tier::noisy;
  Watch watch;
  for (const CoveredColumn& column : columns) watch.processes.emplace_back(*column.cell);
  for (const Generation* prompt : claim.prompts) {
    std::vector<PromptPath> paths;
    for (const CoveredColumn& column : columns) paths.push_back(path_of(calibration, claim, column, *prompt));
    watch_prompt(paths, -std::log(alpha), watch);
  }
  evidence.log_e = watch.log_max;
  evidence.decided_after = watch.crossed;
  evidence.excluded = watch.crossed > 0;
  return evidence;
}

FalsehoodEvidence against_falsehood(const Calibration& calibration, const ClaimView& claim,
                                    const Hypothesis& hypothesis, double delta, double alpha) {
  const std::vector<CoveredColumn> columns = covered(calibration, claim, hypothesis);
  BoundedMeanEProcess deviations(1 + delta, 2 * (1 + delta));
  BoundedMeanEProcess margins(std::min(kTokenUnit * (1 + delta), kMostMargin / 2), kMostMargin);
  double sum = 0;
  Index count = 0;
  bool tokens = false;
  for (const Generation* prompt : claim.prompts) {
    const Reexecution* run = claim.run_by(columns.front().verifier, prompt->reference);
    if (run == nullptr) continue;
    for (const auto& position : calibrated_positions(calibration, claim, *prompt, *run)) {
      const double off = deviation(columns.front().cell->noise, position);
      deviations.add(off);
      sum += off;
      ++count;
    }
    for (const TokenCheck& check : run->tokens) {
      margins.add(static_cast<double>(check.margin));
      tokens = true;
    }
  }
  const double mean = count == 0 ? 0 : sum / static_cast<double>(count);
  const Index fewest = fewest_to_refute(*columns.front().cell, alpha);
  if (fewest == 0 || fewest > static_cast<Index>(claim.prompts.size())) return {0, mean};
  const double log_e = tokens ? std::min(deviations.log_max(), margins.log_max()) : deviations.log_max();
  return {log_e, mean};
}

std::vector<Power> power_of(const Calibration& calibration, const ClaimView& claim, const Hypothesis& own,
                            double alpha) {
  const auto columns = covered(calibration, claim, own);
  const auto prompts = static_cast<Index>(claim.prompts.size());
  Index positions = 0;
  for (const Generation* prompt : claim.prompts) {
    positions += static_cast<Index>(prompt->prefill.size() + prompt->decode.size());
  }
  std::vector<Power> all;
  for (const TruthScores& truth : columns.front().cell->test) {
    if (truth.truth == own) continue;
    const std::vector<Index> after = refuted_after(*columns.front().cell, truth, alpha);
    const auto within = std::upper_bound(after.begin(), after.end(), prompts) - after.begin();
    const Index needed = after[static_cast<std::size_t>(kWanted * static_cast<double>(kDraws)) - 1];
    Power power{.truth = truth.truth,
                .probability = static_cast<double>(within) / static_cast<double>(kDraws),
                .more_positions = 0,
                .reachable = needed <= kMostPrompts};
    if (power.reachable && needed > prompts && prompts > 0) {
      power.more_positions = (needed - prompts) * ((positions + prompts - 1) / prompts);
    }
    all.push_back(std::move(power));
  }
  return all;
}

}  // namespace assay
