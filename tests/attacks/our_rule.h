// The verdict of this project as rules of the table, one a tier.
#pragma once

#include "attacks/trial.h"

namespace assay::attacks {

// Everything replayed step by step on the claimed device and its rivals. The statistic is ln of the
// e-value against the claim.
Decision our_exact_rule(const Trial& trial, std::span<const Trial> honest);

// One prefill on another device, with tests/attacks/calibration.json.
Decision our_noisy_rule(const Trial& trial, std::span<const Trial> honest);

}  // namespace assay::attacks
