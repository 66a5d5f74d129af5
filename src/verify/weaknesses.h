// What makes a claim's evidence weak, in plain words.
#pragma once

#include <string>
#include <vector>

#include "verify/claim_view.h"
#include "verify/evidence.h"

namespace assay {

std::vector<std::string> weaknesses_of(const ClaimView& claim, const ClaimEvidence& evidence,
                                       const DecisionOptions& options);

}  // namespace assay
