// The noisy tier: calibrated e-processes of a claim that is re-executed on another device than it names, or
// whose bits are not owed.
#pragma once

#include <string>

#include "verify/claim_view.h"
#include "verify/evidence.h"

namespace assay {

// Why a calibration says nothing of this claim at all; "" if it does.
std::string calibration_gap(const Calibration& calibration, const ClaimView& claim);

// Whether the calibration's tokens were chosen as the record's, so that their margins can be compared.
bool same_sampling(const Calibration& calibration, const ClaimView& claim);

// Why there is no such cell.
std::string cell_gap(const Calibration& calibration, const ClaimView& claim, const Hypothesis& hypothesis);

// Whether the calibration has a cell of the hypothesis seen from a device that the verifier ran it on. `setup`
// names the verifier's setup in the calibration's words.
bool has_cell(const Calibration& calibration, const ClaimView& claim, const Hypothesis& hypothesis);

// The e-process of the hypothesis, averaged over the devices that it was replayed on. Needs has_cell.
CandidateEvidence noisy(const Calibration& calibration, const ClaimView& claim, const Hypothesis& hypothesis,
                        double alpha);

// ln of the smaller of two largest e-values, each against one way of being false: at every position the expected
// deviation from the hypothesis, given those before, is at least 1 + delta (each counted up to twice that); at
// every generated token the expected margin is at least 0.01 (1 + delta) nats (each counted up to 0.1: at delta
// 1, one token in five is another's). Where tokens were not checked, the first alone. 0 where the claim
// has too few prompts to be refuted at alpha: what could not have failed has not been passed. And the mean
// deviation.
struct FalsehoodEvidence {
  double log_e = 0;
  double mean_deviation = 0;
};
FalsehoodEvidence against_falsehood(const Calibration& calibration, const ClaimView& claim,
                                    const Hypothesis& hypothesis, double delta, double alpha);

// For each other hypothesis of the calibration: how likely prompts of its making, as many as the claim has,
// would have been refuted as the claimed one's, by resampling its test prompts.
std::vector<Power> power_of(const Calibration& calibration, const ClaimView& claim, const Hypothesis& own,
                            double alpha);

}  // namespace assay
