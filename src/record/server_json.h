// ServerChoice as JSON, in setups of records and of plans. Time-outs, the token's variable and the choices of TLS are
// no part of it: they change no number and belong to who runs it. Internal to record and experiment.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

// {"engine": "vllm", "endpoints": [...], "launch": "...", "served_model": "...", "in_flight": 1}; launch and
// served_model only where they say something.
Json server_to_json(const ServerChoice& server);

// object[key]; `file` names the object.
Result<ServerChoice> server_from_json(const Json& object, const std::string& file, const std::string& key);

}  // namespace assay
