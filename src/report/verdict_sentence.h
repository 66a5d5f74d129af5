// The verdict in sentences, for every printer. Internal to report.
#pragma once

#include <string>

#include "verify/analysis.h"

namespace assay {

// "Refuted: the record was not produced by awq on a100. Still possible: awq_marlin on a100."
std::string verdict_sentence(const ClaimVerdict& claim, const ClaimEvidence& evidence);

// Of one claim its sentence; of several "Refuted: 1 of 3 claims does not hold (awq on a100)."
std::string verdict_headline(const VerificationAnalysis& analysis);

// "10^4.2", "infinite": an e-value from its natural logarithm.
std::string e_value(double log_e);

// "[1.9e-02, 2.6e-02]"; "" where there is none.
std::string interval_text(const std::optional<Interval>& interval, const char* format = "{:.2e}");

// "MARGINALLY DETECTABLE to CLEARLY DETECTABLE": the seed's labels at the interval's ends.
std::string label_interval(const std::optional<Interval>& snr);

}  // namespace assay
