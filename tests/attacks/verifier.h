// The verifier of the tests: `assay verify` without files.
#pragma once

#include <vector>

#include "attacks/workshop.h"

namespace assay::attacks {

// Every claim of the record under each setup, its comparisons and token checks. Several devices are
// told apart as `--device a100,h100` does. Error: what a record of that kind cannot be verified for.
Result<Verification> verify(Workshop& workshop, const Record& record, const std::vector<Setup>& setups,
                            Replay replay, std::uint64_t noise = kVerifierNoise);

}  // namespace assay::attacks
