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

// One file: a record or a verification. Two: records of the same prompts, the first taken as the claims.
// Without a rule, that of the (first) file. Error: what does not read, a number of files that is not 1 or 2,
// a verification asked for under another rule than its own where its scores cannot tell.
Result<Analysis> analyze_files(const std::vector<std::filesystem::path>& files,
                               std::optional<DistanceRule> rule);

// A record or verification with its tables as the seed's single JSON file, bare infinities included. Error:
// what does not read or analyse, a verification under several devices, for which that schema has no place.
Result<std::string> export_seed(const std::filesystem::path& file);

}  // namespace assay
