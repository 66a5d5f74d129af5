// One hash for what a run said: token ids, positions, score ids, log-probability bits and ranks.
#pragma once

#include <string>

#include "record/record.h"

namespace assay {

// SHA-256 (hexadecimal) over a canonical byte sequence; docs/records.md gives it. Setups count by name only;
// environment, timestamps, noise floors and comparisons do not count: equal bits, equal fingerprint.
std::string fingerprint(const Record& record);
std::string fingerprint(const Verification& verification);

}  // namespace assay
