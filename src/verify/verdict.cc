#include "verify/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "verify/environment.h"

namespace assay {
namespace {

// The record's words for the claim's setup; null where the file has none.
const Setup* claimed_setup(const Verification& verification, const std::string& name) {
  const auto& setups = verification.claimed_setups;
  const auto found =
      std::find_if(setups.begin(), setups.end(), [&](const Setup& setup) { return setup.name == name; });
  return found == setups.end() ? nullptr : &*found;
}

// The verifier's setup of a name, best on that device.
const Setup* verifier_setup(const Verification& verification, const Hypothesis& hypothesis) {
  const Setup* best = nullptr;
  for (const Setup& setup : verification.setups) {
    if (setup.name != hypothesis.setup) continue;
    if (best == nullptr || setup.device == hypothesis.device) best = &setup;
  }
  return best;
}

bool equivalent(const Verification& verification, const std::string& a, const std::string& b) {
  const auto holds = [&](const std::vector<SetupPair>& pairs) {
    return std::any_of(pairs.begin(), pairs.end(), [&](const SetupPair& pair) {
      return pair == SetupPair(a, b) || pair == SetupPair(b, a);
    });
  };
  return holds(verification.prefill_equivalent_pairs) && holds(verification.decode_equivalent_pairs);
}

// In what the verifier's setup of the claimed name is another; "" if in nothing.
std::string setup_difference(const Setup& claim, const Setup& verifier) {
  const auto mismatches = setup_mismatches(claim, verifier);
  if (mismatches.empty()) return "";
  const EnvironmentDifference& first = mismatches.front();
  const auto shown = [](const std::string& value) { return value.empty() ? "(none)" : value; };
  return fmt::format("the verifier's setup differs in {}: {} claimed, {} run", first.key,
                     shown(first.reference), shown(first.verifier));
}

// Another candidate that gives every bit and is what the record's own words of model and method say.
const CandidateEvidence* described_other(const Verification& verification, const Setup& claim,
                                         const Setup& own, const ClaimEvidence& evidence) {
  const auto mismatches = setup_mismatches(claim, own);
  const bool other_model = std::any_of(mismatches.begin(), mismatches.end(), [](const auto& entry) {
    return entry.key == "quantization" || entry.key == "weights_sha256";
  });
  if (!other_model) return nullptr;
  for (const CandidateEvidence& candidate : evidence.candidates) {
    const Setup* setup = find_verifier(verification.setups, candidate.verifier);
    if (!candidate.reproduces || setup == nullptr || setup->name == claim.name) continue;
    if (setup_mismatches(claim, *setup).empty()) return &candidate;
  }
  return nullptr;
}

// How large an e-value is: "10^4.2".
std::string size_of(double log_e) {
  return std::isinf(log_e) ? "infinite" : fmt::format("10^{:.1f}", log_e / std::log(10.0));
}

std::string exclusion(const CandidateEvidence& own) {
  if (!own.reason.empty()) return own.reason;
  return fmt::format("e-value {} against it, after {} positions", size_of(own.log_e), own.decided_after);
}

void judge_equal_bits(const Verification& verification, const ClaimEvidence& evidence, double alpha,
                      ClaimVerdict& verdict) {
  for (const CandidateEvidence& other : evidence.candidates) {
    const std::string& name = other.hypothesis.setup;
    if (!other.reproduces || name == evidence.claimed || equivalent(verification, name, evidence.claimed))
      continue;
    verdict.reason = fmt::format("{} gives every bit as well", name_of(other.hypothesis));
    return;
  }
  if (evidence.coincidence.positions == 0) {
    verdict.outcome = Outcome::consistent;
    verdict.reason =
        fmt::format("all {} positions bit for bit; no other setup was there to differ", evidence.positions);
    return;
  }
  const bool decided = evidence.log_e_false >= -std::log(alpha);
  if (decided) verdict.outcome = Outcome::consistent;
  verdict.reason = fmt::format("all {} positions bit for bit; by chance: 1 / {}{}", evidence.positions,
                               size_of(evidence.log_e_false), decided ? "" : ", which is too likely");
}

void judge_noise(const ClaimEvidence& evidence, double alpha, ClaimVerdict& verdict) {
  const bool decided = evidence.log_e_false >= -std::log(alpha);
  if (decided) verdict.outcome = Outcome::consistent;
  verdict.reason =
      fmt::format("deviations {:.2f} times those of honest runs; e-value {} against larger ones{}",
                  evidence.mean_deviation, size_of(evidence.log_e_false),
                  decided ? "" : ": too few positions, or too far");
}

// Why a claim was not examined.
std::string silence(const ClaimEvidence& evidence, const CandidateEvidence& own) {
  for (const CandidateEvidence& other : evidence.candidates) {
    if (!other.reproduces || other.hypothesis.setup != evidence.claimed) continue;
    return fmt::format("reproduced bit for bit on {}; the claimed device {} was not run",
                       other.hypothesis.device, evidence.own.device);
  }
  return own.reason;
}

ClaimVerdict judge_claim(const Verification& verification, const ClaimEvidence& evidence, double alpha) {
  ClaimVerdict verdict{.claimed = evidence.claimed};
  for (const CandidateEvidence& candidate : evidence.candidates) {
    if (candidate.excluded) continue;
    (candidate.tier == Tier::none ? verdict.unexamined : verdict.possible).push_back(candidate.hypothesis);
  }
  const Setup* claim = claimed_setup(verification, evidence.claimed);
  const Setup* setup = verifier_setup(verification, evidence.own);
  const CandidateEvidence* own = find_candidate(evidence, evidence.own);
  if (setup == nullptr || own == nullptr) {
    verdict.reason = "the claimed setup was not run by the verifier";
    return verdict;
  }
  if (claim != nullptr) {
    const CandidateEvidence* other = described_other(verification, *claim, *setup, evidence);
    if (other != nullptr) {
      verdict.outcome = Outcome::refuted;
      verdict.reason = name_of(other->hypothesis) + " gives every bit, and is what the record says of itself";
      return verdict;
    }
    verdict.reason = setup_difference(*claim, *setup);
    if (!verdict.reason.empty()) return verdict;
  }
  if (own->excluded) {
    verdict.outcome = Outcome::refuted;
    verdict.reason = exclusion(*own);
  } else if (own->reproduces) {
    judge_equal_bits(verification, evidence, alpha, verdict);
  } else if (own->tier == Tier::noisy) {
    judge_noise(evidence, alpha, verdict);
  } else {
    verdict.reason = silence(evidence, *own);
  }
  return verdict;
}

}  // namespace

const char* word(Outcome outcome) {
  switch (outcome) {
    case Outcome::consistent:
      return "consistent";
    case Outcome::refuted:
      return "refuted";
    case Outcome::inconclusive:
      break;
  }
  return "inconclusive";
}

Verdict judge(const Verification& verification, const std::vector<ClaimEvidence>& evidence, double alpha) {
  Verdict verdict;
  const auto any = [&](Outcome outcome) {
    return std::any_of(verdict.claims.begin(), verdict.claims.end(),
                       [&](const ClaimVerdict& claim) { return claim.outcome == outcome; });
  };
  for (const ClaimEvidence& claim : evidence) {
    verdict.claims.push_back(judge_claim(verification, claim, alpha));
  }
  verdict.outcome = any(Outcome::refuted)        ? Outcome::refuted
                    : any(Outcome::inconclusive) ? Outcome::inconclusive
                                                 : Outcome::consistent;
  return verdict;
}

}  // namespace assay
