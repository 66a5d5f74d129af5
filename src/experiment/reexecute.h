// One claim, teacher-forced through an engine.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "record/record.h"

namespace assay {

std::vector<TokenId> tokens_of(const Generation& claim);  // prompt, then generated

// Whether `setup` chose its tokens in a way that can be replayed: the most likely ones, or drawn by the native engine. How
// a server draws is its own: vLLM's model runners differ in it, and SGLang's differs from both.
bool choice_is_known(const Setup& setup, const Sampling& sampling);

// Asks for the scores of the record's own ids at its own positions beside the verifier's top k, and for a check of
// every generated token. `settings` are the record's.
ScoreRequest request_of(const Generation& claim, const GenerationSettings& settings, Replay replay);

// What that request was answered.
Reexecution reexecution_of(const Generation& claim, const std::string& verifier, Scores scores);

// Both, with the engine in between.
Result<Reexecution> reexecute(const Generation& claim, const GenerationSettings& settings, Replay replay,
                              const std::string& verifier, Engine& engine);

}  // namespace assay
