#include "verify/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "verify/claim_view.h"
#include "verify/environment.h"
#include "verify/exact_evidence.h"
#include "verify/noisy_evidence.h"
#include "verify/precision.h"
#include "verify/weaknesses.h"

namespace assay {
namespace {

bool rounded(const ClaimView& claim) {
  return std::any_of(claim.prompts.begin(), claim.prompts.end(), [&](const Generation* prompt) {
    return decimals_within(claim.prompts, *prompt).has_value();
  });
}

// Whose arithmetic the claim names; "" where the record does not say.
std::string claimed_device(const ClaimView& claim) {
  return claim.words == nullptr ? "" : claim.words->device;
}

// Whether the claimed device is the name of a GPU in a record of another program, which we do not know.
bool foreign_device(const ClaimView& claim) {
  const auto& setups = claim.verification.setups;
  return (claim.words == nullptr || lookup(claim.words->ran, "device").empty()) &&
         std::none_of(setups.begin(), setups.end(),
                      [&](const Setup& setup) { return setup.device == claimed_device(claim); });
}

// What the claim says: its setup on its device; on a foreign device, the candidate of its setup that gives
// every bit, if there is one.
Hypothesis own_hypothesis(const ClaimView& claim, const std::vector<CandidateEvidence>& candidates) {
  if (foreign_device(claim)) {
    for (const CandidateEvidence& candidate : candidates) {
      if (candidate.reproduces && candidate.hypothesis.setup == claim.claimed) return candidate.hypothesis;
    }
  }
  return {claim.claimed, claimed_device(claim)};
}

// Every setup of the verifier on the claimed device, on each device that it was run on, and on each that the
// calibration knows; by device, the claimed one first.
std::vector<Hypothesis> hypotheses(const ClaimView& claim, const DecisionOptions& options) {
  std::vector<std::string> devices;
  const auto add = [&](const std::string& device) {
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) devices.push_back(device);
  };
  add(claimed_device(claim));
  for (const Setup& setup : claim.verification.setups) add(setup.device);
  if (options.calibration) {
    for (const CalibrationCell& cell : options.calibration->cells) add(cell.hypothesis.device);
  }
  std::vector<Hypothesis> all;
  for (const std::string& device : devices) {
    for (const Setup& setup : claim.verification.setups) {
      const Hypothesis hypothesis{setup.name, device};
      if (std::find(all.begin(), all.end(), hypothesis) == all.end()) all.push_back(hypothesis);
    }
  }
  return all;
}

CandidateEvidence candidate(const ClaimView& claim, const Hypothesis& hypothesis,
                            const DecisionOptions& options) {
  const auto& setups = claim.verification.setups;
  const auto column = std::find_if(setups.begin(), setups.end(), [&](const Setup& setup) {
    return setup.name == hypothesis.setup && setup.device == hypothesis.device;
  });
  std::string missing;
  if (column != setups.end()) {
    const std::string verifier = verifier_name(*column, setups);
    const bool ours = claim.same_program_as(*column);
    const bool owed = ours && bits_are_promised(claim.verification, *column);
    CandidateEvidence evidence = replayed(claim, hypothesis, verifier, owed);
    const bool settled = evidence.excluded || !rounded(claim);
    if ((evidence.tier == Tier::exact && settled) || evidence.reproduces) {
      evidence.tier = Tier::exact;
      return evidence;
    }
  }
  if (claim.prompts.empty()) {
    missing = "the verification does not hold the claim's log-probabilities";
  } else if (!options.calibration) {
    missing = "no calibration was given";
  } else {
    missing = calibration_gap(*options.calibration, claim);
    if (missing.empty() && has_cell(*options.calibration, claim, hypothesis)) {
      return noisy(*options.calibration, claim, hypothesis, options.alpha);
    }
    if (missing.empty()) missing = cell_gap(*options.calibration, claim, hypothesis);
  }
  CandidateEvidence none{.hypothesis = hypothesis};
  if (column != setups.end()) none = replayed(claim, hypothesis, verifier_name(*column, setups), false);
  none.tier = Tier::none;
  none.reason = missing;
  return none;
}

// Whether the candidate is known to have other bits than the record: its own replay has, or where its device was
// not replayed, all replays of its setup have and `reproducer` is of another setup.
bool has_other_bits(const ClaimEvidence& evidence, const CandidateEvidence& candidate,
                    const Verification& verification, const Hypothesis& reproducer) {
  if (candidate.reproduces) return false;
  const Setup* own = find_verifier(verification.setups, candidate.verifier);
  if (own != nullptr && own->device == candidate.hypothesis.device) return true;
  if (candidate.hypothesis.setup == reproducer.setup) return false;
  return std::none_of(evidence.candidates.begin(), evidence.candidates.end(),
                      [&](const CandidateEvidence& other) {
                        return other.reproduces && other.hypothesis.setup == candidate.hypothesis.setup;
                      });
}

// Equal bits with one candidate are evidence against all that have other bits.
void exclude_by_coincidence(const ClaimView& claim, double alpha, ClaimEvidence& evidence) {
  const auto reproducer = std::find_if(evidence.candidates.begin(), evidence.candidates.end(),
                                       [](const CandidateEvidence& c) { return c.reproduces; });
  if (reproducer == evidence.candidates.end() || evidence.coincidence.positions == 0) return;
  const double log_e = log_e_of_equal_bits(claim, evidence.coincidence);
  for (CandidateEvidence& candidate : evidence.candidates) {
    if (candidate.excluded ||
        !has_other_bits(evidence, candidate, claim.verification, reproducer->hypothesis))
      continue;
    candidate.log_e = std::max(candidate.log_e, log_e);
    if (log_e < -std::log(alpha)) continue;
    candidate.tier = Tier::exact;
    candidate.excluded = true;
    candidate.decided_after = evidence.positions;
    candidate.reason = name_of(reproducer->hypothesis) + " gives every bit of the record";
  }
}

// Candidates whose columns have equal scores for the whole claim.
std::vector<std::vector<Hypothesis>> classes_of(const ClaimView& claim,
                                                const std::vector<CandidateEvidence>& candidates) {
  const auto same = [&](const std::string& a, const std::string& b) {
    return std::all_of(claim.prompts.begin(), claim.prompts.end(), [&](const Generation* prompt) {
      const Reexecution* first = claim.run_by(a, prompt->reference);
      const Reexecution* second = claim.run_by(b, prompt->reference);
      return first != nullptr && second != nullptr && first->prefill == second->prefill &&
             first->decode == second->decode;
    });
  };
  std::vector<std::vector<Hypothesis>> classes;
  std::vector<std::string> leaders;
  for (const CandidateEvidence& candidate : candidates) {
    const Setup* setup = find_verifier(claim.verification.setups, candidate.verifier);
    if (setup == nullptr || setup->device != candidate.hypothesis.device || claim.prompts.empty()) continue;
    const auto leader = std::find_if(leaders.begin(), leaders.end(), [&](const std::string& other) {
      return same(other, candidate.verifier);
    });
    if (leader == leaders.end()) {
      leaders.push_back(candidate.verifier);
      classes.push_back({candidate.hypothesis});
    } else {
      classes[static_cast<std::size_t>(leader - leaders.begin())].push_back(candidate.hypothesis);
    }
  }
  std::erase_if(classes, [](const auto& members) { return members.size() < 2; });
  return classes;
}

ClaimEvidence evidence_of(const Verification& verification, const std::string& claimed,
                          const DecisionOptions& options) {
  const ClaimView claim = view_of(verification, claimed);
  ClaimEvidence evidence{.claimed = claimed};
  evidence.prompts = static_cast<Index>(claim.prompts.size());
  for (const Generation* prompt : claim.prompts) {
    evidence.positions += static_cast<Index>(prompt->prefill.size() + prompt->decode.size());
  }
  evidence.coincidence_calibrated = options.calibration && options.calibration->coincidence.positions > 0 &&
                                    calibration_gap(*options.calibration, claim).empty();
  evidence.coincidence =
      evidence.coincidence_calibrated ? options.calibration->coincidence : count_coincidence(claim);
  for (const Hypothesis& hypothesis : hypotheses(claim, options)) {
    evidence.candidates.push_back(candidate(claim, hypothesis, options));
  }
  evidence.own = own_hypothesis(claim, evidence.candidates);
  exclude_by_coincidence(claim, options.alpha, evidence);
  evidence.classes = classes_of(claim, evidence.candidates);
  const CandidateEvidence* own = find_candidate(evidence, evidence.own);
  if (own != nullptr && own->reproduces)
    evidence.log_e_false = log_e_of_equal_bits(claim, evidence.coincidence);
  if (own != nullptr && own->tier == Tier::noisy) {
    const auto falsehood =
        against_falsehood(*options.calibration, claim, evidence.own, options.delta, options.alpha);
    evidence.log_e_false = falsehood.log_e;
    evidence.mean_deviation = falsehood.mean_deviation;
    evidence.power = power_of(*options.calibration, claim, evidence.own, options.alpha);
  }
  evidence.weaknesses = weaknesses_of(claim, evidence, options);
  return evidence;
}

}  // namespace

const char* word(Tier tier) {
  switch (tier) {
    case Tier::exact:
      return "exact";
    case Tier::noisy:
      return "noisy";
    case Tier::none:
      break;
  }
  return "none";
}

const CandidateEvidence* find_candidate(const ClaimEvidence& evidence, const Hypothesis& hypothesis) {
  const auto found =
      std::find_if(evidence.candidates.begin(), evidence.candidates.end(),
                   [&](const CandidateEvidence& candidate) { return candidate.hypothesis == hypothesis; });
  return found == evidence.candidates.end() ? nullptr : &*found;
}

Result<void> check_calibration(const Calibration& calibration, const Verification& verification,
                               const std::string& file) {
  const std::string expected = lookup(verification.environment, "numerics_version");
  const std::string found = lookup(calibration.environment, "numerics_version");
  if (expected != found) return Error{file, "environment.numerics_version", expected, found};
  bool any = false;
  for (const Setup& calibrated : calibration.setups) {
    for (const Setup& setup : verification.setups) {
      if (setup.name != calibrated.name) continue;
      any = true;
      const auto mismatches = setup_mismatches(setup, calibrated);
      if (mismatches.empty()) continue;
      return Error{file, fmt::format("setups.{}.{}", setup.name, mismatches.front().key),
                   mismatches.front().reference + ", as the verifier ran it", mismatches.front().verifier};
    }
  }
  if (any) return {};
  return Error{file, "setups", "one of the verifier's setups", "none of them"};
}

std::vector<ClaimEvidence> gather_evidence(const Verification& verification,
                                           const std::vector<std::string>& claimed,
                                           const DecisionOptions& options) {
  std::vector<ClaimEvidence> all;
  for (const std::string& name : claimed) all.push_back(evidence_of(verification, name, options));
  return all;
}

}  // namespace assay
