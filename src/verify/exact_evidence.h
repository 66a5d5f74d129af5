// The exact tier: a candidate whose own arithmetic was replayed owes every bit, rank and token.
#pragma once

#include "verify/claim_view.h"
#include "verify/evidence.h"

namespace assay {

// The claim under the verifier's column `verifier` (verifier_name), in order of prompts and positions: whether
// all bits agree, where they first differ, and what the tokens say. With `owed`, a difference (a bit, a rank
// that both sides recorded, a token that the setup would not have chosen) excludes the candidate, and its
// reason says which; where nothing was compared it says nothing, and its tier is none. A prompt whose
// log-probabilities were rounded owes its tokens only.
CandidateEvidence replayed(const ClaimView& claim, const Hypothesis& hypothesis, const std::string& verifier,
                           bool owed);

// ln of the e-value, from equal bits alone, against every setup that differs from one which reproduces the
// claim: each prompt of m positions is worth 1 / (q r^(m-1)), q the bound of coincidence's rate, r that after
// an equal position. A position that lists fewer ids than the record's top k is worth nothing: chance was counted
// over whole lists. 0 without positions.
double log_e_of_equal_bits(const ClaimView& claim, const Coincidence& coincidence);

// Coincidences of this claim itself, under the verifiers that do not reproduce it whole. Other claims of the record do
// not count: a prover could add some that agree with nobody, or nearly.
Coincidence count_coincidence(const ClaimView& claim);

}  // namespace assay
