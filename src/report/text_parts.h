// Pieces of the text reports. Internal to report.
#pragma once

#include <string>
#include <vector>

#include "verify/analysis.h"

namespace assay {

// An empty line, then `lines` between two rules of 80 '='.
std::string text_heading(const std::string& lines);

// Column names, then a row for each name; cells as 4.41e-02.
std::string text_matrix(const std::vector<std::string>& rows, const std::vector<std::string>& columns,
                        const Matrix& matrix);

// "[]" or "[(awq, awq_marlin)]".
std::string text_pairs(const std::vector<SetupPair>& pairs);

// "System: ...", "GPU: ..." for what the environment has.
std::string text_system(const Environment& environment);

// "  awq: Qwen/Qwen3-8B-AWQ (quant=awq)" for each setup, and what ran where that is recorded.
std::string text_setups(const std::vector<Setup>& setups);

// The sections of one phase of a verification, from CROSS-HARDWARE ... to the summary table.
std::string text_phase(const VerificationAnalysis& analysis, const PhaseAnalysis& phase,
                       const std::string& name);

// The headline, then EVIDENCE: each claim's verdict and what it rests on.
std::string text_evidence(const VerificationAnalysis& analysis);

// INTERVALS of distances and ratios; empty for fewer than two references.
std::string text_intervals(const VerificationAnalysis& analysis);

// EXACT REPRODUCTION; empty where nothing was counted.
std::string text_reproduction(const VerificationAnalysis& analysis);

}  // namespace assay
