// What a remote engine refuses before anything is sent.
#pragma once

#include <string>

#include "engine/remote/dialect.h"

namespace assay {

struct RequestLimits {
  std::string setup;   // names the engine in errors
  std::string engine;  // Dialect::name
  Index vocabulary = 0;
  Index context = 0;
  Capabilities capabilities = {};
  std::string missing = {};  // Probe::missing
};

// As Engine::score and Engine::generate. Error besides: more than the server was seen to do, with the reason; a
// request that leaves no room for the one token that a server must generate to score a prompt; another sampler than
// the server's own.
Result<void> check_request(const ScoreRequest& request, const RequestLimits& limits);
Result<void> check_request(const GenerateRequest& request, const RequestLimits& limits);

}  // namespace assay
