// What the distances say about each claim. No calibrated statistics yet: equal bits, and the ratio of
// distances.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace assay {

enum class Outcome : std::uint8_t { consistent, refuted, inconclusive };

const char* word(Outcome outcome);  // "consistent", ...

struct ClaimVerdict {
  std::string claimed;
  Outcome outcome = Outcome::inconclusive;
  std::vector<std::string> candidates;  // verifiers that the evidence leaves: the confidence set
  std::string reason;                   // one line
};

struct Verdict {
  Outcome outcome = Outcome::inconclusive;  // refuted if any claim is, else inconclusive if any is
  std::vector<ClaimVerdict> claims;
};

// A rival must be this many times farther (or nearer) than the claimed setup: the seed's "marginally
// detectable".
inline constexpr double kDecisiveRatio = 3;

struct VerificationAnalysis;

// A verifier setup stays a candidate unless another one is kDecisiveRatio times nearer to the claim in either
// phase (next to distance 0, any other is infinitely farther; an infinite distance, nothing to compare,
// counts neither way). Equal bits decide first (verify/reproduction.h), then distances. A claim is
//   refuted       if other setups reproduce it bit for bit and its own does not; if its own setup is no
//                 candidate; or if claim and verifier ran the very same setup of the same program (whatever
//                 the record's other setups are) and their prefill bits (under `--replay decode` decode bits
//                 too) differ;
//   consistent    if its own setup reproduces it bit for bit and another does not, or if its own setup is a
//                 candidate and either its bits are equal or a rival setup was there to be farther away; any
//                 other setup that reproduces it, any other candidate, must be equivalent to it in the
//                 record;
//   inconclusive  otherwise.
// A setup is held to its bits only where they are promised: not if it is not deterministic, nor under
// `--replay prefill` if its bits depend on the rows of a pass (both as the verifier's Setup::ran says).
// Under several devices the claim's own setup is the one under the record's device. If that device was not
// run, it is the column of the claimed setup that speaks most for the claim.
Verdict judge(const VerificationAnalysis& analysis);

}  // namespace assay
