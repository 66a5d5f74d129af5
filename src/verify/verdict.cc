#include "verify/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "verify/analysis.h"

namespace assay {
namespace {

// One claim's distances to each verifier setup.
struct Evidence {
  const VerificationAnalysis& analysis;
  std::size_t row;

  double prefill(std::size_t column) const { return analysis.prefill.matrix[row][column]; }
  double decode(std::size_t column) const { return analysis.decode.matrix[row][column]; }
  bool decisively_nearer(std::size_t a, std::size_t b) const {
    return decisive(prefill(b), prefill(a)) || decisive(decode(b), decode(a));
  }
  // An infinite distance says that nothing could be compared, which is no evidence.
  static bool decisive(double far, double near) {
    return std::isfinite(far) && std::isfinite(near) && signal_to_noise(far, near) > kDecisiveRatio;
  }
};

bool equivalent(const VerificationAnalysis& analysis, const std::string& a, const std::string& b) {
  const auto holds = [&](const std::vector<SetupPair>& pairs) {
    return std::any_of(pairs.begin(), pairs.end(), [&](const SetupPair& pair) {
      return pair == SetupPair(a, b) || pair == SetupPair(b, a);
    });
  };
  return holds(analysis.run.prefill_equivalent_pairs) && holds(analysis.run.decode_equivalent_pairs);
}

const Setup* find(const std::vector<Setup>& setups, const std::string& name) {
  const auto found =
      std::find_if(setups.begin(), setups.end(), [&](const Setup& s) { return s.name == name; });
  return found == setups.end() ? nullptr : &*found;
}

// Whether claim and verifier ran the same arithmetic of our own engine, so that the bits must agree. The name
// of a GPU in an imported record is no such promise.
bool same_arithmetic(const VerificationAnalysis& analysis, const std::string& name) {
  const Setup* claim = find(analysis.run.claimed_setups, name);
  const Setup* verifier = find(analysis.run.setups, name);
  if (claim == nullptr || verifier == nullptr || !analysis.environment.valid()) return false;
  if (lookup(analysis.run.environment, "assay_version").empty()) return false;
  if (claim->device != verifier->device) return false;
  const bool hashed = !claim->weights_sha256.empty() && !verifier->weights_sha256.empty();
  return hashed ||
         claim->model == verifier->model;  // the quantization and dtype are in the environment check
}

// Whether arithmetic that must agree does not. A GPU's own arithmetic may differ from run to run, which only
// its noise floor can tell; a name of a GPU is therefore not a promise of bits.
bool bits_refute(const VerificationAnalysis& analysis, const Evidence& evidence, std::size_t own) {
  const std::string& name = analysis.verifiers[own];
  if (analysis.prefill.bit_equal_share.empty() || !same_arithmetic(analysis, name)) return false;
  if (std::isfinite(evidence.prefill(own)) && evidence.prefill(own) > 0) return true;
  return analysis.run.replay == "decode" && std::isfinite(evidence.decode(own)) && evidence.decode(own) > 0;
}

ClaimVerdict judge_claim(const VerificationAnalysis& analysis, std::size_t row) {
  const Evidence evidence{analysis, row};
  ClaimVerdict verdict;
  verdict.claimed = analysis.claimed[row];
  const auto& verifiers = analysis.verifiers;
  for (std::size_t a = 0; a < verifiers.size(); ++a) {
    bool beaten = false;
    for (std::size_t b = 0; b < verifiers.size(); ++b) beaten |= a != b && evidence.decisively_nearer(b, a);
    if (!beaten) verdict.candidates.push_back(verifiers[a]);
  }
  const auto at = std::find(verifiers.begin(), verifiers.end(), verdict.claimed);
  if (at == verifiers.end()) {
    verdict.reason = "the claimed setup was not run by the verifier";
    return verdict;
  }
  const auto own = static_cast<std::size_t>(at - verifiers.begin());
  const auto& candidates = verdict.candidates;
  const bool exact = evidence.prefill(own) == 0 && evidence.decode(own) == 0;
  const auto rival = std::find_if(candidates.begin(), candidates.end(), [&](const std::string& name) {
    return name != verdict.claimed && !equivalent(analysis, name, verdict.claimed);
  });
  if (bits_refute(analysis, evidence, own)) {
    verdict.outcome = Outcome::refuted;
    verdict.candidates.erase(
        std::remove(verdict.candidates.begin(), verdict.candidates.end(), verdict.claimed),
        verdict.candidates.end());
    verdict.reason = "the same setup was run again and its log-probabilities differ";
  } else if (std::find(candidates.begin(), candidates.end(), verdict.claimed) == candidates.end()) {
    verdict.outcome = Outcome::refuted;
    verdict.reason = fmt::format("another setup is more than {} times nearer", kDecisiveRatio);
  } else if (rival != candidates.end()) {
    verdict.reason = fmt::format("{} explains the record as well", *rival);
  } else if (exact) {
    verdict.outcome = Outcome::consistent;
    verdict.reason = "distance 0 from the claimed setup in both phases";
  } else if (verifiers.size() > 1) {
    verdict.outcome = Outcome::consistent;
    verdict.reason = fmt::format("every other setup is more than {} times farther", kDecisiveRatio);
  } else {
    verdict.reason = "no other setup to compare with, and the distance is not 0";
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

Verdict judge(const VerificationAnalysis& analysis) {
  Verdict verdict;
  const auto any = [&](Outcome outcome) {
    return std::any_of(verdict.claims.begin(), verdict.claims.end(),
                       [&](const ClaimVerdict& claim) { return claim.outcome == outcome; });
  };
  for (std::size_t row = 0; row < analysis.claimed.size(); ++row) {
    verdict.claims.push_back(judge_claim(analysis, row));
  }
  verdict.outcome = any(Outcome::refuted)        ? Outcome::refuted
                    : any(Outcome::inconclusive) ? Outcome::inconclusive
                                                 : Outcome::consistent;
  return verdict;
}

}  // namespace assay
