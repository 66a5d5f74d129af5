// From records to comparisons.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/record.h"

namespace assay {

inline constexpr Index kEveryId = std::numeric_limits<Index>::max();

// How many ids of a position, besides its own token, the verifier's engine scores whatever they are. Of a position that
// holds more it owes the own token alone: a server may score its own top k only, at each position or in decode
// replay (`ids_scored` of its `ran`: docs/records.md). `replay` as in Verification.
Index owed_ids(const Setup& verifier, std::string_view replay);

// One comparison for each re-execution, in its order. Rule every_id needs the verifier's score of every id of
// the claim that it owes. Error (key "setup/ref_N"): a re-execution whose generation, position or id is not
// there.
Result<std::vector<Comparison>> compare_all(const Record& record, const Verification& verification,
                                            DistanceRule rule);

// One re-execution against its claim; `owed` is owed_ids of its verifier, `top_k` of the record serves the seed's rule.
Result<Comparison> compare_one(const Generation& claim, const Reexecution& reexecution, Index owed,
                               DistanceRule rule, Index top_k);

// Two records of the same prompts, the first taken as the claims and the second as their verifier: a
// verification with a comparison for each pair of setups and each reference, ready for analyze_verification.
// Error: a reference that only one of them has, prompts that differ, no setup name in common.
Result<Verification> compare_records(const Record& claimed, const std::string& claimed_file,
                                     const Record& verifier, const std::string& verifier_file,
                                     DistanceRule rule);

}  // namespace assay
