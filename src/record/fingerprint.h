// One hash for what a run said: token ids, positions, score ids, log-probability bits, ranks and token checks.
#pragma once

#include <string>

#include "record/record.h"

namespace assay {

// SHA-256 (hexadecimal) over a canonical byte sequence; docs/records.md gives it. Setups count by name only;
// environment, timestamps, settings, noise floors and comparisons do not count: equal bits, equal
// fingerprint. A verification's claims have the record's fingerprint, not a part in its own.
std::string fingerprint(const Record& record);
std::string fingerprint(const Verification& verification);

}  // namespace assay
