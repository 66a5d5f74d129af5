// The evidence and the intervals as JSON. Internal to report.
#pragma once

#include "base/json.h"
#include "verify/analysis.h"

namespace assay {

// {"headline": ..., "alpha": ..., "delta": ..., "claims": [{claimed, outcome, sentence, reason, possible, unexamined,
// candidates: [...], power: [...], weaknesses: [...], ...}]}. E-values are natural logarithms (`log_e`).
Json evidence_json(const VerificationAnalysis& analysis);

// [[[low, high], ...], ...]: [low, high], or null where there is none.
Json interval_matrix_json(const IntervalMatrix& cells);

// Keys as PhaseIntervals' members; pairs by "awq_vs_gptq".
Json phase_intervals_json(const PhaseIntervals& intervals, const PhaseAnalysis& phase);

}  // namespace assay
