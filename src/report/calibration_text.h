// What a calibration says: error rates, and how soon each wrong claim is found.
#pragma once

#include <string>

#include "verify/calibration.h"

namespace assay {

std::string calibration_report(const Calibration& calibration);

}  // namespace assay
