// The tables of records on disk; no model needed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "verify/analysis.h"
#include "verify/sanity.h"

namespace assay {

using Analysis = std::variant<RecordAnalysis, VerificationAnalysis>;

// What a verdict is made with, where a file does not say it: alpha 1e-3, delta 1, and the calibration that a
// verification's folder holds.
struct DecisionWishes {
  std::optional<double> alpha;
  std::optional<double> delta;
  std::filesystem::path calibration;  // "" = none given
};

// The verification's own alpha and delta and its folder's calibration, unless wished otherwise. Error: a
// calibration that does not read.
Result<DecisionOptions> decision_options(const DecisionWishes& wishes, const Verification& verification,
                                         const std::filesystem::path& folder);

// One file: a record or a verification. Two: records of the same prompts, the first taken as the claims.
// Without a rule, that of the (first) file. Error: what does not read, a number of files that is not 1 or 2,
// a verification asked for under another rule than its own where its scores cannot tell.
Result<Analysis> analyze_files(const std::vector<std::filesystem::path>& files,
                               std::optional<DistanceRule> rule, const DecisionWishes& wishes);

// A record or verification with its tables as the seed's single JSON file, bare infinities included. Error:
// what does not read or analyse, a verification under several devices, for which that schema has no place.
Result<std::string> export_seed(const std::filesystem::path& file);

}  // namespace assay
