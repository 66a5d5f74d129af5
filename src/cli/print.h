// Results to stdout.
#pragma once

#include <string>

#include "base/error.h"
#include "cli/options.h"
#include "experiment/analyze.h"

namespace assay {

// Error, here and below: stdout does not take it all (a full disk, a closed pipe).
Result<void> print(const std::string& text);

Result<void> print_analysis(const Analysis& analysis, Format format);

// Build, host and capabilities, a line each.
Result<void> print_doctor();

// The exit code of a verdict; 0 for the analysis of a record, which has none.
int exit_code_of(const Analysis& analysis);

}  // namespace assay
