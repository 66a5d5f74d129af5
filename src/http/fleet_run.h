// One run of a fleet: its state while jobs are in flight.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/splitmix.h"
#include "http/fleet.h"
#include "http/job_queue.h"
#include "http/window.h"

namespace assay {

class FleetRun {
 public:
  // All of them must outlive the run; `states` is kept up to date.
  FleetRun(HttpClient& client, const FleetOptions& options, std::vector<EndpointState>& states,
           const FleetWork& work);
  ~FleetRun();  // cancels what is in flight
  FleetRun(const FleetRun&) = delete;
  FleetRun& operator=(const FleetRun&) = delete;

  Result<bool> run();

 private:
  struct Endpoint {
    EndpointState& state;
    Window window;
    int failures = 0;         // in a row, of job requests
    double paused_until = 0;  // by Retry-After or back-off
    double down_since = 0;    // where not healthy
    double probe_at = 0;      // where not healthy and no probe is in flight
    int failed_probes = 0;
    bool probing = false;
    bool vouched = false;  // a probe succeeded, and no job's request since
    TlsChoice tls = {};    // of the last request, for probes
    std::optional<Secret> token = {};
    std::string trouble = {};  // the last one
  };
  struct Try {
    DueJob job;
    Index endpoint = 0;
    Index epoch = 0;  // of the window
    std::string path;
    std::optional<Secret> token;
  };

  Endpoint& at(Index endpoint) { return endpoints_[static_cast<std::size_t>(endpoint)]; }
  void start_due_jobs(double now);
  std::optional<Index> choose(Index failed_at, double now) const;
  void start(const DueJob& job, Index endpoint);
  void end(const Try& tried, HttpReply reply);
  void take(const Try& tried, const FleetReply& reply);
  void pause_after(const Try& tried, const HttpReply& reply, double now);
  void try_again(const Try& tried, bool counts, const std::string& why, Error last);
  void take_down(Endpoint& endpoint, double now);
  void start_probes(double now);
  void end_probe(Index endpoint, const HttpReply& reply);
  std::optional<Error> given_up(double now) const;
  double next_event(double now) const;

  HttpClient& client_;
  const FleetOptions& options_;
  const FleetWork& work_;
  std::vector<Endpoint> endpoints_;
  JobQueue queue_;
  SplitMix64 random_;
  std::map<HttpClient::Exchange, Index> jobs_in_flight_;  // value: the endpoint
  std::map<HttpClient::Exchange, Index> probes_in_flight_;
  std::optional<Error> failure_;  // ends the run
};

}  // namespace assay
