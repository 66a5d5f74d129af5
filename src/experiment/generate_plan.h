// What `assay generate` is to do, as JSON in its folder. Internal to experiment.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "experiment/generate.h"

namespace assay {

// Of a run that goes on, all of it must be the same.
Json plan_as_json(const GeneratePlan& plan);

// All of it but the prompts' tokens. Error: a key that is missing or of another kind; `file` names the plan.
Result<GeneratePlan> generate_plan_of(const Json& json, const std::string& file);

}  // namespace assay
