#include "verify/weaknesses.h"

#include <fmt/format.h>

#include <algorithm>

#include "stats/binomial.h"
#include "verify/claim_process.h"
#include "verify/compare.h"
#include "verify/noisy_evidence.h"
#include "verify/precision.h"

namespace assay {
namespace {

using Sentences = std::vector<std::string>;

void add_precision(const ClaimView& claim, Sentences& all) {
  std::optional<int> coarsest;
  for (const Generation* prompt : claim.prompts) {
    const auto decimals = decimals_within(claim.prompts, *prompt);
    if (decimals && (!coarsest || *decimals < *coarsest)) coarsest = decimals;
  }
  if (!coarsest) return;
  all.push_back(fmt::format(
      "The log-probabilities have {} decimals, fewer than FP32 gives: bits cannot be compared, and the noisy "
      "tier allows for the rounding and looks for a nameless rival only.",
      *coarsest));
}

void add_missing(const ClaimView& claim, Sentences& all) {
  Index missing = 0;
  Index promised = 0;
  for (const Generation* prompt : claim.prompts) {
    const auto positions = promised_positions(*prompt, claim.verification.claimed_settings);
    promised += static_cast<Index>(positions.size());
    for (const Index position : positions) {
      const bool there = find_position(prompt->prefill, position) != nullptr ||
                         find_position(prompt->decode, position) != nullptr;
      missing += there ? 0 : 1;
    }
  }
  if (missing == 0) return;
  all.push_back(fmt::format(
      "{} of the {} positions that the record's settings promise are missing: the noisy tier reads a "
      "prompt up to the first of them.",
      missing, promised));
}

void add_sizes(const ClaimView& claim, const ClaimEvidence& evidence, const DecisionOptions& options,
               Sentences& all) {
  const Calibration& calibration = *options.calibration;
  const auto cell = std::find_if(calibration.cells.begin(), calibration.cells.end(),
                                 [&](const CalibrationCell& c) { return c.hypothesis == evidence.own; });
  if (cell == calibration.cells.end()) return;
  const Index fewest = fewest_to_refute(*cell, options.alpha);
  if (fewest == 0 || fewest > evidence.prompts) {
    all.push_back(
        fmt::format("{} prompt{} against {} calibrated ones cannot refute at {}: {}.", evidence.prompts,
                    evidence.prompts == 1 ? "" : "s", calibration.calibration_prompts, options.alpha,
                    fewest == 0 ? "no number of prompts can" : fmt::format("{} are needed", fewest)));
  }
  Index longest = 0;
  for (const Generation* prompt : claim.prompts) {
    longest = std::max(longest, static_cast<Index>(prompt->prompt_ids.size()));
  }
  const Index calibrated = calibration.settings.prompt_tokens;
  if (calibrated > 0 && (longest > 2 * calibrated || 2 * longest < calibrated)) {
    all.push_back(
        fmt::format("The calibration's prompts have {} document tokens, the record's have {} tokens: "
                    "noise grows with length.",
                    calibrated, longest));
  }
  for (const FalsePositives& rate : calibration.false_positives) {
    if (rate.claimed_device != evidence.own.device || rate.upper_bound <= options.alpha) continue;
    all.push_back(fmt::format(
        "On {} seen from {} {} of {} honest claims of the calibration were refuted, in {} "
        "independent groups: this bounds the rate of false alarms by {:.1e} only (95 %); "
        "that it is at most {} rests on the prompts being exchangeable with the "
        "calibration's. {} groups would show it.",
        device_word(rate.claimed_device), device_word(rate.verifier_device), rate.refuted, rate.claims,
        rate.independent, rate.upper_bound, options.alpha, trials_to_promise(options.alpha, 0.95)));
  }
}

// "sglang 0.5.23".
std::string program_of(const Environment& ran) {
  const std::string engine = lookup(ran, "engine");
  if (engine.empty()) return "the native engine";
  const std::string version = lookup(ran, "server_version");
  return version.empty() ? engine : engine + " " + version;
}

void add_programs(const ClaimView& claim, const Hypothesis& own, Sentences& all) {
  if (claim.words == nullptr) return;
  for (const Setup& setup : claim.verification.setups) {
    const std::string made = program_of(claim.words->ran);
    const std::string replayed = program_of(setup.ran);
    if (setup.name != own.setup || made == replayed) continue;
    all.push_back(fmt::format(
        "{} made the record and {} replayed it: equal bits would show the setup, other bits exclude "
        "nothing.",
        made, replayed));
    break;
  }
}

void add_tier(const ClaimView& claim, const ClaimEvidence& evidence, Sentences& all) {
  const CandidateEvidence* own = find_candidate(evidence, evidence.own);
  const bool exact = own != nullptr && own->tier == Tier::exact;
  if (own != nullptr && own->tier == Tier::none)
    all.push_back("No evidence on the claim itself: " + own->reason + ".");
  if (!evidence.coincidence_calibrated && evidence.coincidence.positions > 0) {
    all.push_back(
        fmt::format("How often other setups agree by chance ({} of {} positions) is counted in this claim "
                    "itself, positions taken as independent; a calibration counts it by prompts.",
                    evidence.coincidence.equal, evidence.coincidence.positions));
  }
  if (exact || claim.words == nullptr) return;
  for (const Setup& setup : claim.verification.setups) {
    if (setup.name != evidence.own.setup || lookup(setup.ran, "determinism") != "not_deterministic") continue;
    all.push_back(
        fmt::format("{} leaves the order of its additions to chance: bits cannot be demanded of it, and "
                    "its wider noise hides more. A policy that admits only deterministic kernels decides "
                    "with fewer positions.",
                    setup.name));
    break;
  }
}

void add_tokens(const ClaimView& claim, const DecisionOptions& options, Sentences& all) {
  const bool any = std::any_of(claim.prompts.begin(), claim.prompts.end(),
                               [](const Generation* prompt) { return !prompt->generated_ids.empty(); });
  const auto& runs = claim.verification.reexecutions;
  const bool checked = std::any_of(runs.begin(), runs.end(), [&](const Reexecution& run) {
    return run.claimed == claim.claimed && !run.tokens.empty();
  });
  if (any && !checked) {
    all.push_back(
        "The generated tokens were not checked: log-probabilities attached to tokens of another model "
        "would pass.");
  }
  if (!options.calibration || claim.prompts.empty()) return;
  if (same_sampling(*options.calibration, claim)) return;
  all.push_back(
      "The calibration's tokens were chosen in another way than the record's: tokens count in the exact "
      "tier only.");
}

// Servers that score their own top k: which claimed ids were left out.
void add_unscored(const ClaimView& claim, Sentences& all) {
  for (const Setup& setup : claim.verification.setups) {
    if (owed_ids(setup, claim.verification.replay) == kEveryId) continue;
    const std::string verifier = verifier_name(setup, claim.verification.setups);
    Index ids = 0;
    Index unscored = 0;
    for (const Generation* prompt : claim.prompts) {
      const Reexecution* run = claim.run_by(verifier, prompt->reference);
      if (run == nullptr) continue;
      for (const auto& [claimed, rescored] :
           {std::pair(&prompt->prefill, &run->prefill), {&prompt->decode, &run->decode}}) {
        for (const PositionScores& position : *claimed) {
          const PositionScores* other = find_position(*rescored, position.position);
          for (const TokenScore& score : position.scores) {
            ++ids;
            unscored += other == nullptr || find_score(other->scores, score.id) == nullptr ? 1 : 0;
          }
        }
      }
    }
    if (unscored == 0) continue;
    all.push_back(fmt::format(
        "{} scored only its own most likely ids: {} of the {} ids of the record were not compared.", verifier,
        unscored, ids));
  }
}

}  // namespace

std::vector<std::string> weaknesses_of(const ClaimView& claim, const ClaimEvidence& evidence,
                                       const DecisionOptions& options) {
  Sentences all;
  add_precision(claim, all);
  add_missing(claim, all);
  add_unscored(claim, all);
  add_programs(claim, evidence.own, all);
  add_tier(claim, evidence, all);
  const CandidateEvidence* own = find_candidate(evidence, evidence.own);
  if (options.calibration && own != nullptr && own->tier == Tier::noisy)
    add_sizes(claim, evidence, options, all);
  add_tokens(claim, options, all);
  return all;
}

}  // namespace assay
