// GenerationSettings as JSON: `settings` of a record's manifest, `claimed_settings` of a verification's.
// A calibration has it too.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

// {"max_new_tokens": ..., ..., "sampling": {"sampler": "greedy", "temperature": 0.0, "seed": 0}}: every key,
// always.
Json settings_to_json(const GenerationSettings& settings);

// Reads object[key]. Error: a key that is missing or unknown, a negative count, an unknown sampler.
Result<GenerationSettings> settings_from_json(const Json& object, const std::string& file,
                                              const std::string& key);

}  // namespace assay
