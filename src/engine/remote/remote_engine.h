// An engine that is a server, or several of the same model: a dialect over a fleet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/remote/dialect.h"
#include "engine/remote/endpoint_probe.h"
#include "engine/remote/launch.h"
#include "engine/remote/request_limits.h"
#include "http/fleet.h"
#include "record/record.h"

namespace assay {

// The engine of a setup that names a server (Setup::server): starts it where it says so, waits for its health, probes
// each endpoint. Error, of the setup's own keys without a file: an unknown engine, an endpoint that is no URL or
// holds a password, a token variable that is not set; of others with one: no answer, endpoints whose identities or
// capabilities differ, no such model there.
Result<std::unique_ptr<Engine>> open_remote_engine(const Setup& setup, const EngineOptions& options);

// What open_remote_engine has found out and started.
struct RemoteParts {
  std::unique_ptr<HttpClient> client;
  std::unique_ptr<Dialect> dialect;
  std::vector<std::string> endpoints;
  Transfer transfer;
  Probe probe;
  RequestLimits limits;
  Index in_flight = 1;
  std::unique_ptr<LaunchedServer> server;  // null where it was running
};

// Keeps nothing between calls. All requests of a call are checked before the first is sent, so that Jobs::request is
// called twice for each job, and once more for each further try. Scores and generations have `served`: endpoint,
// fingerprint where the server gives one, reply_sha256.
class RemoteEngine : public Engine {
 public:
  RemoteEngine(RemoteParts parts, const EngineOptions& options);

  Index vocabulary_size() const override { return parts_.limits.vocabulary; }
  Index context_length() const override { return parts_.limits.context; }
  Index tokens_computed() const override { return tokens_computed_; }
  void forget() override {}
  Environment describe() const override;

  Result<Scores> score(const ScoreRequest& request) override;
  Result<bool> score_all(const ScoreJobs& jobs, Replay replay) override;
  Result<Generation> generate(const GenerateRequest& request) override;
  Result<bool> generate_all(const GenerateJobs& jobs) override;

  const std::vector<EndpointState>& endpoints() const { return fleet_.endpoints(); }

 private:
  // Makes requests and takes replies; an Error that ends the run goes into `ended`.
  Result<bool> run(FleetWork work, const std::function<bool()>& stopped, const std::optional<Error>& ended);
  HttpRequest completed(HttpRequest request) const;
  std::string next_id(Index job);
  Environment served_by(const FleetReply& reply, Environment told);

  RemoteParts parts_;
  EngineOptions options_;
  Fleet fleet_;
  std::string run_;  // random: the first part of each request's id
  Index asked_ = 0;
  Index tokens_computed_ = 0;
  std::map<std::string, std::string> fingerprints_;  // the last one of each endpoint
  bool warned_ = false;
};

}  // namespace assay
