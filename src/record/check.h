// What a record must satisfy whatever file it came from.
#pragma once

#include <string>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// `file` names the record in errors. Refused: no setups or two of one name, a generation of an unknown setup,
// the same reference twice in a setup, a setup without generations, negative token ids, positions outside
// their phase or not ascending, a position without its own token, an id twice at one position,
// log-probabilities that are NaN, infinite or positive or not in descending order, negative or NaN noise
// floors.
Result<void> check_record(const Record& record, const std::string& file);

// Likewise, but setups of one name may differ in device; for the comparisons: known verifier, each (claim,
// verifier, reference) once, distances that are not negative and not NaN.
Result<void> check_verification(const Verification& verification, const std::string& file);

}  // namespace assay
