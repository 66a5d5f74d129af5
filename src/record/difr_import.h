// Samples of DiFR (https://github.com/adamkarvonen/difr, README, "Using External Prompts and Responses"):
//   {"config": {...}, "samples": [{"prompt_token_ids": [...], "outputs": [{"token_ids": [...]}]}, ...]}
// and, where they were kept, the other fields of vLLM's outputs: `prompt_logprobs`, and `logprobs` of an output.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "record/import_choice.h"
#include "record/record.h"

namespace assay {

// A sample is a reference. `config` is kept in the record's environment; a `provider` in it means that the ids were
// made from texts (as DiFR's program for OpenRouter makes them): then the setup's `ran` says so. Sampling: the
// choice's, which must have the config's temperature where that has one; else greedy, at temperature 0. Error: any
// other structure, a temperature above 0 without a choice, a record that check_record refuses.
Result<Record> import_difr(std::string_view text, const std::string& file, const ImportChoice& choice);

}  // namespace assay
