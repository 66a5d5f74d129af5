// Results to stdout.
#pragma once

#include "base/error.h"
#include "cli/options.h"
#include "experiment/analyze.h"

namespace assay {

// Error: stdout does not take it all (a full disk, a closed pipe).
Result<void> print_analysis(const Analysis& analysis, Format format);

// Build, host and capabilities, a line each.
Result<void> print_doctor();

// The exit code of a verdict; 0 for the analysis of a record, which has none.
int exit_code_of(const Analysis& analysis);

}  // namespace assay
