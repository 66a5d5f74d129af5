// One generation or re-execution as one line of JSON that stands alone: what a run appends as it goes, so
// that an interrupted run resumes with the same bits.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// Log-probabilities are written as decimals of the exact value, so the same float is read back. No newline.
std::string to_line(const Generation& generation);
std::string to_line(const Reexecution& reexecution);

// `file` names the source in errors, for example "run/progress.jsonl:3".
Result<Generation> generation_from_line(std::string_view line, const std::string& file);
Result<Reexecution> reexecution_from_line(std::string_view line, const std::string& file);

}  // namespace assay
