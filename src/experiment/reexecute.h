// One claim, teacher-forced through an engine.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "record/record.h"

namespace assay {

std::vector<TokenId> tokens_of(const Generation& claim);  // prompt, then generated

// Asks for the scores of the record's own ids at its own positions beside the verifier's top k, and for a check of
// every generated token. `settings` are the record's.
ScoreRequest request_of(const Generation& claim, const GenerationSettings& settings, Replay replay);

// What that request was answered.
Reexecution reexecution_of(const Generation& claim, const std::string& verifier, Scores scores);

// Both, with the engine in between.
Result<Reexecution> reexecute(const Generation& claim, const GenerationSettings& settings, Replay replay,
                              const std::string& verifier, Engine& engine);

}  // namespace assay
