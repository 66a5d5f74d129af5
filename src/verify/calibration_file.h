// A calibration on disk: one JSON file, some tens of kilobytes.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "verify/calibration.h"

namespace assay {

// Its name in the folder of a calibration, and of a verification that used one.
inline constexpr const char* kCalibrationFile = "calibration.json";

Json calibration_to_json(const Calibration& calibration);

// Error: an unknown key, a wrong type, an unknown setup in a cell or its tests, an unknown replay, a score that
// is negative or not finite, a rate that is none, another schema version.
Result<Calibration> calibration_from_json(const Json& json, const std::string& file);

Result<Calibration> read_calibration(const std::filesystem::path& path);
Result<void> write_calibration(const std::filesystem::path& path, const Calibration& calibration);

}  // namespace assay
