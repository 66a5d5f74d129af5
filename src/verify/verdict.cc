#include "verify/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

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

// The claim's record of its setup; null where the file has none.
const Setup* claimed_setup(const VerificationAnalysis& analysis, const std::string& name) {
  const auto& setups = analysis.run.claimed_setups;
  const auto found =
      std::find_if(setups.begin(), setups.end(), [&](const Setup& s) { return s.name == name; });
  return found == setups.end() ? nullptr : &*found;
}

// Whether the verifier gives its own bits again whenever it replays a record of its own. It says so itself
// (Setup::ran); what the record says of this is the prover's word. Missing words are from before there were
// such devices.
bool bits_are_promised(const VerificationAnalysis& analysis, const Setup& verifier) {
  if (lookup(verifier.ran, "determinism") == "not_deterministic") return false;
  return analysis.run.replay == "decode" || lookup(verifier.ran, "rows_change_bits") != "yes";
}

// Whether claim and verifier ran the same arithmetic of our own engine, so that the bits must agree. The name
// of a GPU in an imported record is no such promise.
bool same_arithmetic(const VerificationAnalysis& analysis, const std::string& claimed,
                     const Setup& verifier) {
  const Setup* claim = claimed_setup(analysis, claimed);
  if (claim == nullptr || !same_program(analysis.run)) return false;
  if (!setup_mismatches(*claim, verifier).empty()) return false;
  if (lookup(analysis.run.environment, "assay_version").empty()) return false;
  if (claim->device != verifier.device) return false;
  const bool hashed = !claim->weights_sha256.empty() && !verifier.weights_sha256.empty();
  return hashed || claim->model == verifier.model;
}

// Whether arithmetic that must agree does not.
bool bits_refute(const VerificationAnalysis& analysis, const Evidence& evidence, const std::string& claimed,
                 std::size_t own) {
  const Setup* verifier = find_verifier(analysis.run.setups, analysis.verifiers[own]);
  if (verifier == nullptr) return false;
  if (!same_arithmetic(analysis, claimed, *verifier) || !bits_are_promised(analysis, *verifier)) return false;
  const PairReproduction pair = count_pair(analysis.run, claimed, analysis.verifiers[own]);
  const auto differs = [](const BitCount& count, double distance) {
    return count.positions > 0 && std::isfinite(distance) && distance > 0;
  };
  return differs(pair.prefill, evidence.prefill(own)) ||
         (analysis.run.replay == "decode" && differs(pair.decode, evidence.decode(own)));
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The column of the claimed setup. Under several devices that of the claimed device, or if that was not run,
// the one that speaks most for the claim: one that reproduces it, else the nearest. None: the setup was not
// run.
std::optional<std::size_t> own_column(const VerificationAnalysis& analysis, const Evidence& evidence,
                                      const std::string& claimed,
                                      const std::vector<std::string>& reproduced_by) {
  const Setup* claim = claimed_setup(analysis, claimed);
  const auto rank = [&](std::size_t column) {
    const Setup* setup = find_verifier(analysis.run.setups, analysis.verifiers[column]);
    const bool device = claim != nullptr && setup != nullptr && setup->device == claim->device;
    const bool reproduces = contains(reproduced_by, analysis.verifiers[column]);
    return std::tuple(!device, !reproduces, evidence.prefill(column), evidence.decode(column));
  };
  std::optional<std::size_t> best;
  for (std::size_t column = 0; column < analysis.verifiers.size(); ++column) {
    if (setup_name(analysis.run.setups, analysis.verifiers[column]) != claimed) continue;
    if (!best || rank(column) < rank(*best)) best = column;
  }
  return best;
}

// Whether the record is one of ours and the claimed setup did not run under its device. A device that neither
// the verifier ran nor an engine of ours (Setup::ran) wrote is the name of a GPU, and says nothing.
bool device_was_not_run(const VerificationAnalysis& analysis, const Setup& claim) {
  const auto& setups = analysis.run.setups;
  const auto of_the_device = [&](const Setup& setup) { return setup.device == claim.device; };
  const bool ours = !claim.ran.empty() || std::any_of(setups.begin(), setups.end(), of_the_device);
  return ours && !claim.device.empty() && std::none_of(setups.begin(), setups.end(), [&](const Setup& setup) {
           return setup.name == claim.name && of_the_device(setup);
         });
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

// Why equal bits do not speak for the claim; "" if they do. `equality` says in what the two are equal.
std::string reservation(const VerificationAnalysis& analysis, const std::string& claimed,
                        const std::string& own, const char* equality) {
  const Setup* claim = claimed_setup(analysis, claimed);
  const Setup* setup = find_verifier(analysis.run.setups, own);
  if (claim == nullptr || setup == nullptr) return "";
  if (std::string difference = setup_difference(*claim, *setup); !difference.empty()) return difference;
  if (!device_was_not_run(analysis, *claim)) return "";
  return fmt::format("{} on {}; the claimed device {} was not run", equality, setup->device, claim->device);
}

// Whether the record's own words, of model and method, are not those of the name it sells but of another
// setup that gives its bits: then the verifier's setup is the right one, and the name is wrong.
bool describes_another(const VerificationAnalysis& analysis, const Setup& claim, const Setup& own,
                       const std::vector<std::string>& reproduced_by) {
  const auto mismatches = setup_mismatches(claim, own);
  const bool other_model = std::any_of(mismatches.begin(), mismatches.end(), [](const auto& entry) {
    return entry.key == "quantization" || entry.key == "weights_sha256";
  });
  return other_model && std::any_of(reproduced_by.begin(), reproduced_by.end(), [&](const std::string& name) {
           const Setup* setup = find_verifier(analysis.run.setups, name);
           return setup != nullptr && setup->name != claim.name && setup_mismatches(claim, *setup).empty();
         });
}

// Why the claimed setup may fail to give its own bits; "" if it owes them.
std::string excuse(const VerificationAnalysis& analysis, const Setup* claim, const Setup& verifier) {
  if (claim != nullptr && device_was_not_run(analysis, *claim)) return "was not run on " + claim->device;
  if (bits_are_promised(analysis, verifier)) return "";
  const bool noisy = lookup(verifier.ran, "determinism") == "not_deterministic";
  return noisy ? "is not deterministic" : "gives its bits only under --replay decode";
}

// The verdict where others reproduce the claim and its own setup does not. A claimed setup that need not give
// its bits loses by distance.
ClaimVerdict judge_by_others(const Evidence& evidence, std::size_t own,
                             const std::vector<std::string>& reproduced_by, ClaimVerdict verdict) {
  const auto& analysis = evidence.analysis;
  const Setup* claim = claimed_setup(analysis, verdict.claimed);
  const Setup* setup = find_verifier(analysis.run.setups, analysis.verifiers[own]);
  const std::string others = fmt::format("reproduced bit for bit by {}", fmt::join(reproduced_by, ", "));
  if (claim != nullptr && setup != nullptr && !describes_another(analysis, *claim, *setup, reproduced_by)) {
    verdict.reason = setup_difference(*claim, *setup);
    if (!verdict.reason.empty()) return verdict;
  }
  const std::string why_not = setup == nullptr ? "" : excuse(analysis, claim, *setup);
  bool nearer = false;
  for (std::size_t column = 0; column < analysis.verifiers.size(); ++column) {
    const bool reproduces = contains(reproduced_by, analysis.verifiers[column]);
    nearer |= reproduces && evidence.decisively_nearer(column, own);
  }
  if (why_not.empty()) {
    verdict.outcome = Outcome::refuted;
    verdict.reason = others + ", not by the claimed setup";
  } else if (nearer) {
    verdict.outcome = Outcome::refuted;
    verdict.reason = fmt::format("{}; the claimed setup {} and is more than {} times farther", others,
                                 why_not, kDecisiveRatio);
  } else {
    verdict.reason = fmt::format("{}; the claimed setup {}", others, why_not);
  }
  return verdict;
}

// What the exact tier decides; nothing where it is silent. `own_column` is the claimed setup's.
std::optional<ClaimVerdict> judge_exactly(const Evidence& evidence, std::size_t own_column,
                                          const std::vector<std::string>& reproduced_by,
                                          ClaimVerdict verdict) {
  if (reproduced_by.empty()) return std::nullopt;
  const auto& analysis = evidence.analysis;
  const std::string& own = analysis.verifiers[own_column];
  verdict.candidates = reproduced_by;
  if (!contains(reproduced_by, own)) return judge_by_others(evidence, own_column, reproduced_by, verdict);
  const std::size_t differing = analysis.verifiers.size() - reproduced_by.size();
  if (differing == 0) return std::nullopt;
  const std::string name = verdict.claimed;
  const auto rival = std::find_if(reproduced_by.begin(), reproduced_by.end(), [&](const std::string& other) {
    const std::string setup = setup_name(analysis.run.setups, other);
    return setup != name && !equivalent(analysis, setup, name);
  });
  if (rival != reproduced_by.end()) return std::nullopt;
  verdict.reason = reservation(analysis, name, own, "reproduced bit for bit");
  if (!verdict.reason.empty()) return verdict;
  verdict.outcome = Outcome::consistent;
  const Setup* claim = claimed_setup(analysis, name);
  const Setup* setup = find_verifier(analysis.run.setups, own);
  const bool other_device = claim != nullptr && setup != nullptr && claim->device != setup->device;
  verdict.reason =
      fmt::format("reproduced bit for bit by the claimed setup{}, not by {} other{}",
                  other_device ? " on " + setup->device : "", differing, differing == 1 ? "" : "s");
  return verdict;
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
  const auto& reproduced_by = reproducers(analysis.reproduction, verdict.claimed);
  const auto own = own_column(analysis, evidence, verdict.claimed, reproduced_by);
  if (!own) {
    verdict.reason = "the claimed setup was not run by the verifier";
    return verdict;
  }
  if (auto exactly = judge_exactly(evidence, *own, reproduced_by, verdict)) return *exactly;
  const auto& candidates = verdict.candidates;
  const bool exact = evidence.prefill(*own) == 0 && evidence.decode(*own) == 0;
  const auto rival = std::find_if(candidates.begin(), candidates.end(), [&](const std::string& verifier) {
    const std::string name = setup_name(analysis.run.setups, verifier);
    return name != verdict.claimed && !equivalent(analysis, name, verdict.claimed);
  });
  if (bits_refute(analysis, evidence, verdict.claimed, *own)) {
    verdict.outcome = Outcome::refuted;
    std::erase(verdict.candidates, verifiers[*own]);
    verdict.reason = "the same setup was run again and its log-probabilities differ";
  } else if (!contains(candidates, verifiers[*own])) {
    verdict.outcome = Outcome::refuted;
    verdict.reason = fmt::format("another setup is more than {} times nearer", kDecisiveRatio);
  } else if (rival != candidates.end()) {
    verdict.reason = fmt::format("{} explains the record as well", *rival);
  } else if (exact) {
    const bool whole = contains(reproduced_by, verifiers[*own]);
    verdict.reason = reservation(analysis, verdict.claimed, verifiers[*own],
                                 whole ? "reproduced bit for bit" : "distance 0");
    if (!verdict.reason.empty()) return verdict;
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
