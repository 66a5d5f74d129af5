#include "verify/reproduction.h"

#include <algorithm>

namespace assay {
namespace {

void add(BitCount& sum, const BitCount& count) {
  sum.positions += count.positions;
  sum.equal += count.equal;
}

void add_phase(const PhaseComparison& phase, const Comparison& comparison, bool decode, BitCount& count,
               FirstDifference& first) {
  add(count, {phase.positions, phase.bit_equal});
  if (phase.first_difference == 0) return;
  const bool earlier = first.position == 0 || comparison.reference < first.reference;
  if (earlier) first = {comparison.reference, phase.first_difference, decode};
}

}  // namespace

PairReproduction count_pair(const Verification& verification, const std::string& claimed,
                            const std::string& verifier) {
  PairReproduction pair{.verifier = verifier, .prefill = {}, .decode = {}, .first_difference = {}};
  for (const Comparison& comparison : verification.comparisons) {
    if (comparison.claimed != claimed || comparison.verifier != verifier) continue;
    add_phase(comparison.prefill, comparison, false, pair.prefill, pair.first_difference);
    add_phase(comparison.decode, comparison, true, pair.decode, pair.first_difference);
  }
  return pair;
}

bool skips_ids(const Verification& verification) { return verification.rule == DistanceRule::seed; }

Reproduction count_reproduction(const Verification& verification, const std::vector<std::string>& claimed,
                                const std::vector<std::string>& verifiers) {
  Reproduction reproduction;
  if (verification.replay.empty() || skips_ids(verification)) return reproduction;
  for (const std::string& name : claimed) {
    ClaimReproduction claim{.claimed = name, .pairs = {}, .reproduced_by = {}};
    for (const std::string& verifier : verifiers) {
      claim.pairs.push_back(count_pair(verification, name, verifier));
      const PairReproduction& pair = claim.pairs.back();
      claim.positions = std::max(claim.positions, pair.prefill.positions + pair.decode.positions);
    }
    if (claim.positions == 0) continue;  // nothing to compare, or a file of the seed's schema
    for (PairReproduction& pair : claim.pairs) {
      pair.whole = pair.prefill.equal + pair.decode.equal == claim.positions;
      if (pair.whole) {
        claim.reproduced_by.push_back(pair.verifier);
      } else {
        add(reproduction.differing_prefill, pair.prefill);
        add(reproduction.differing_decode, pair.decode);
      }
    }
    reproduction.claims.push_back(std::move(claim));
  }
  return reproduction;
}

const std::vector<std::string>& reproducers(const Reproduction& reproduction, const std::string& claimed) {
  static const std::vector<std::string> kNone;
  const auto& claims = reproduction.claims;
  const auto found = std::find_if(claims.begin(), claims.end(),
                                  [&](const ClaimReproduction& claim) { return claim.claimed == claimed; });
  return found == claims.end() ? kNone : found->reproduced_by;
}

}  // namespace assay
