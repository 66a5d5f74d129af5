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
  std::vector<std::string> candidates;  // verifier setups that the evidence leaves: the confidence set
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
// counts neither way). A claim is
//   refuted       if its own setup is no candidate, or if claim and verifier ran the very same setup in the
//   same
//                 critical environment and their prefill bits (under `--replay decode` decode bits too)
//                 differ;
//   consistent    if its own setup is a candidate, each other candidate is equivalent to it in the record,
//   and
//                 either its bits are equal or a rival setup was there to be farther away;
//   inconclusive  otherwise.
Verdict judge(const VerificationAnalysis& analysis);

}  // namespace assay
