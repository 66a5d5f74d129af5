// The analyses as Markdown, and as CSV for spreadsheets and data frames.
#pragma once

#include <string>

#include "verify/analysis.h"
#include "verify/sanity.h"

namespace assay {

std::string markdown_report(const VerificationAnalysis& analysis);
std::string markdown_report(const RecordAnalysis& analysis);

// One row for each cell: phase,reference,claimed,verifier,distance ("all" = the mean over references).
std::string csv_report(const VerificationAnalysis& analysis);
std::string csv_report(const RecordAnalysis& analysis);

}  // namespace assay
