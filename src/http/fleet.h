// Endpoints that serve the same model, as a pool: a queue of jobs, a window of requests in flight for each endpoint
// that grows by one with a window's worth of successes and halves on trouble (AIMD, as TCP), retries with capped
// exponential back-off and full jitter, Retry-After, health probes of endpoints that failed. One thread; each job is
// taken once.
//
// Sent again, at another endpoint where one is healthy: no connection, a reset, a time-out, a cut body, status 408,
// 429 and 500 to 599, and a reply that the caller could not read. Never sent again: any other 4xx, and a TLS failure;
// they end the run as an Error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "http/client.h"

namespace assay {

struct FleetOptions {
  std::vector<std::string> endpoints;   // base URLs without a trailing slash, at least one, each once
  Index most_in_flight = 1;             // requests at once to one endpoint
  Index most_ahead = 256;               // jobs started beyond the first that is not taken
  int most_tries = 8;                   // of one job
  double first_delay_s = 0.5;           // before a job's second try; doubles with each
  double most_delay_s = 30;             // also caps Retry-After
  double give_up_s = 120;               // all endpoints down for so long
  std::string health_path = "/health";  // answers 2xx where the server can work
  std::uint64_t seed = 1;               // of the jitter
};

struct FleetReply {
  std::string endpoint;  // its base URL
  int tries = 1;
  HttpReply http;
};

// Of one endpoint, for logs and tests.
struct EndpointState {
  std::string url;
  double window = 1;
  Index in_flight = 0;
  Index taken = 0;
  Index troubles = 0;
  bool healthy = true;
};

struct FleetWork {
  Index jobs = 0;
  // Asked again for each try. HttpRequest::url is the path behind the endpoint's base URL ("/v1/completions").
  std::function<HttpRequest(Index job)> request;
  // Error: the reply cannot be used; the job is tried again, and at the last try the Error ends the run with the
  // endpoint named in `file`.
  std::function<Result<void>(Index job, const FleetReply& reply)> take;
  std::function<bool()> stopped = [] { return false; };  // asked between events, at least every 0.2 s
  std::function<void(const std::string&)> log = [](const std::string&) {};  // troubles, a line each
};

class Fleet {
 public:
  // `client` must outlive the fleet.
  Fleet(HttpClient& client, FleetOptions options);

  // All jobs, lowest first, in whatever order they end. False: stopped, with what was in flight cancelled. Error: a
  // refusal, a job out of tries, every endpoint down for give_up_s.
  Result<bool> run(const FleetWork& work);

  const std::vector<EndpointState>& endpoints() const;

 private:
  HttpClient& client_;
  FleetOptions options_;
  std::vector<EndpointState> endpoints_;
};

}  // namespace assay
