// From records to comparisons.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// Whether the verifier's engine scores every id that it is asked for; a server may score its own top k and the
// position's token only (`ids_scored` of its `ran`: docs/records.md).
bool scores_every_id(const Setup& verifier);

// One comparison for each re-execution, in its order. Rule every_id needs the verifier's score of every id of
// the claim; of a verifier that does not score every id, of every position's own token. Error (key "setup/ref_N"): a
// re-execution whose generation, position or id is not there.
Result<std::vector<Comparison>> compare_all(const Record& record, const Verification& verification,
                                            DistanceRule rule);

// One re-execution against its claim; `every_id_owed` is scores_every_id of its verifier, `top_k` of the record serves
// the seed's rule.
Result<Comparison> compare_one(const Generation& claim, const Reexecution& reexecution, bool every_id_owed,
                               DistanceRule rule, Index top_k);

// Two records of the same prompts, the first taken as the claims and the second as their verifier: a
// verification with a comparison for each pair of setups and each reference, ready for analyze_verification.
// Error: a reference that only one of them has, prompts that differ, no setup name in common.
Result<Verification> compare_records(const Record& claimed, const std::string& claimed_file,
                                     const Record& verifier, const std::string& verifier_file,
                                     DistanceRule rule);

}  // namespace assay
