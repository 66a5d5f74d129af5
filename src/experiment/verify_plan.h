// What `assay verify` is to do, as JSON in its folder. Internal to experiment.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "experiment/verification.h"

namespace assay {

// Of a run that goes on, all of it must be the same.
Json plan_as_json(const VerifyPlan& plan);

// With the record read again from its place. Error: a key that is missing or of another kind, a record that cannot be
// read or has another fingerprint; `file` names the plan.
Result<VerifyPlan> verify_plan_of(const Json& json, const std::string& file, const DecisionOptions& decision);

}  // namespace assay
