// Running another program without a shell.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace assay {

// Runs arguments[0], found on PATH, with the arguments as they are and no input, and returns what it wrote to
// stdout. Error: it is not there, it fails (with the first line of its stderr), or a signal ended it.
Result<std::string> run_program(const std::vector<std::string>& arguments);

}  // namespace assay
