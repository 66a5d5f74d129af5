// What a record must satisfy whatever file it came from.
#pragma once

#include <string>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// What the probabilities of one position may sum to. An FP32 sum of exponentials in 32 lanes, which normalises them, is
// short by 2^-24 for each addition in a lane: for the 2^18 ids of the largest vocabularies 2^-11, and the few ULPs of
// exp, log and the subtractions are far below what that leaves.
inline constexpr double kMostSoftmaxSum = 1 + 0x1p-11;

// `file` names the record in errors. Refused: no setups or two of one name, a generation of an unknown setup,
// the same reference twice in a setup, a setup without generations, negative token ids, positions outside
// their phase or not ascending, a position without its own token, an id twice at one position,
// log-probabilities that are NaN, infinite or positive or not in descending order, probabilities of one
// position that sum above 1 (with room for log-probabilities rounded to two decimals), a sampler and a
// temperature that exclude each other, negative or NaN noise floors.
Result<void> check_record(const Record& record, const std::string& file);

// Likewise, but setups of one name may differ in device. The claims, where there are any, are those of
// reference_fingerprint, and each re-execution is one of them. Token checks: every generated token of the
// claim, rank >= 1, margin finite and >= 0. Comparisons: known verifier, each (claim, verifier, reference)
// once, distances that are not negative and not NaN.
Result<void> check_verification(const Verification& verification, const std::string& file);

}  // namespace assay
