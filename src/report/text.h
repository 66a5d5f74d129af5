// The analyses as text that reads like the seed's log, section by section.
#pragma once

#include <string>

#include "verify/analysis.h"
#include "verify/sanity.h"

namespace assay {

std::string text_report(const VerificationAnalysis& analysis);
std::string text_report(const RecordAnalysis& analysis);

}  // namespace assay
