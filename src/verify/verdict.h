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
// `--replay prefill` if its bits depend on the rows of a pass (both as the verifier's Setup::ran says), nor
// if the claimed device was not run. Where others reproduce the claim and its own setup need not, distances
// decide: refuted if one of these is decisively nearer. The noise floor of the record is not in a
// verification and plays no part: any own distance above 0 is decisively farther than 0.
// Equal bits and distance 0 leave a claim inconclusive, and other setups' bits refute none, if the verifier's
// setup of that name is another one (setup_mismatches) - unless the record's words of model and method are
// those of the other setup, so that it sells one name and says itself that it ran another's.
// Under several devices the claim's own setup is the one under the record's device. If that device was not
// run, it is the column of the claimed setup that speaks most for the claim; of a record of ours, which says
// what ran or names a device of the verifier, its equal bits then leave the device open: inconclusive.
Verdict judge(const VerificationAnalysis& analysis);

}  // namespace assay
