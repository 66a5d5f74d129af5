// Token checks as JSON, the same in progress lines and in sequences.jsonl. Internal to record.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

// {"positions": [...], "ranks": [...], "margins": [...], "logprobs": [...]}: lists of one length. Floats are
// decimals of the exact value, so the same bits are read back.
Json token_checks_to_json(const std::vector<TokenCheck>& checks);

// Reads object[key].
Result<std::vector<TokenCheck>> token_checks_from_json(const Json& object, const std::string& file,
                                                       const std::string& key);

}  // namespace assay
