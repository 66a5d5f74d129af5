// The exact tier in words, for every printer. Internal to report.
#pragma once

#include <string>

#include "verify/analysis.h"

namespace assay {

// "awq: identified exactly: only awq@a100 reproduces all 24 positions bit for bit", or what else is so.
std::string reproduction_sentence(const VerificationAnalysis& analysis, const ClaimReproduction& claim);

// Why there is no exact tier though the claims were re-executed; "" if there is one, or they were not.
std::string not_counted_sentence(const VerificationAnalysis& analysis);

// "coincidence rate of differing setups: 3 of 480 positions, 0.63 %".
std::string coincidence_sentence(const BitCount& differing);

// "ref_0, prefill position 38"; "-" where there is none.
std::string place_of(const FirstDifference& first);

}  // namespace assay
