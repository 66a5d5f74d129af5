// One claim, teacher-forced through an engine.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "record/record.h"

namespace assay {

std::vector<TokenId> tokens_of(const Generation& claim);  // prompt, then generated

// The scores of the record's own ids at its own positions beside the verifier's top k, and a check of every
// generated token. `settings` are the record's.
Result<Reexecution> reexecute(const Generation& claim, const GenerationSettings& settings, Replay replay,
                              const std::string& verifier, Engine& engine);

}  // namespace assay
