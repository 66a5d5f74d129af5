// The seed's single JSON file, as its Python programs write and read it.
#pragma once

#include <string>
#include <variant>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

// A generation file has `generations`, a verification file `comparisons`. Tables in the file
// (`prefill_sanity_check`, `prefill_analysis`, ...) are not read: they are recomputed.
// Log-probabilities become the nearest float. Ranks: a list of at most top_k ids has ranks 1..n in descending
// order; where the position's own token comes on top of that, its rank is 0; ties keep the file's order.
Result<std::variant<Record, Verification>> from_seed_json(const Json& document, const std::string& file);

// `metadata`, `generations` and `noise_floors`; `metadata` and `comparisons`. The tables are appended by
// report. Ranks of tokens outside the top k and a verification's re-executions have no place in this schema.
Json to_seed_json(const Record& record);
Json to_seed_json(const Verification& verification);

}  // namespace assay
