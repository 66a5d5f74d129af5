// What the evidence says about each claim.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "verify/evidence.h"

namespace assay {

enum class Outcome : std::uint8_t { consistent, refuted, inconclusive };

const char* word(Outcome outcome);  // "consistent", ...

struct ClaimVerdict {
  std::string claimed;
  Outcome outcome = Outcome::inconclusive;
  std::vector<Hypothesis> possible = {};    // the confidence set: examined, and not excluded
  std::vector<Hypothesis> unexamined = {};  // no evidence for or against
  std::string reason = {};                  // one line
};

struct Verdict {
  Outcome outcome = Outcome::inconclusive;  // refuted if any claim is, else inconclusive if any is
  std::vector<ClaimVerdict> claims;
};

// A candidate is excluded when its e-value has reached 1 / alpha, or bits that it owes differ: so a true claim
// is refuted with probability alpha at most, and the confidence set covers the truth, if it is among the
// candidates, with 1 - alpha. A claim is
//   refuted       if its own setup on its own device is excluded;
//   consistent    if that is examined and not excluded, and "false by at least delta" is: its every bit is
//                 reproduced, and by chance that would happen to another setup with probability below alpha,
//                 or its deviations are below 1 + delta times those of honest runs;
//   inconclusive  otherwise; also where the verifier's setup of the claimed name is another one
//                 (setup_mismatches), unless the record's words of model and method are those of another
//                 candidate that gives every bit: then it sells one name and says itself that it ran another.
// A claim whose every bit is reproduced, by setups that the record does not hold equivalent, is inconclusive.
Verdict judge(const Verification& verification, const std::vector<ClaimEvidence>& evidence, double alpha);

}  // namespace assay
