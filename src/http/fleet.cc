#include "http/fleet.h"

#include <set>

#include "http/fleet_run.h"
#include "http/request_check.h"

namespace assay {

Fleet::Fleet(HttpClient& client, FleetOptions options) : client_(client), options_(std::move(options)) {
  require(!options_.endpoints.empty(), "a fleet has an endpoint");
  require(options_.most_in_flight >= 1 && options_.most_ahead >= 1 && options_.most_tries >= 1,
          "a fleet's counts are positive");
  require(options_.first_delay_s >= 0 && options_.most_delay_s >= 0 && options_.give_up_s >= 0,
          "a fleet's delays are not negative");
  require(options_.health_path.starts_with('/'), "a health path starts with a slash");
  std::set<std::string> seen;
  for (const std::string& url : options_.endpoints) {
    require(read_url(url).ok() && !url.ends_with('/'),
            "an endpoint is a URL without password or slash at its end");
    require(seen.insert(url).second, "each endpoint is named once");
    EndpointState state;
    state.url = url;
    endpoints_.push_back(std::move(state));
  }
}

Result<bool> Fleet::run(const FleetWork& work) { return FleetRun(client_, options_, endpoints_, work).run(); }

const std::vector<EndpointState>& Fleet::endpoints() const { return endpoints_; }

}  // namespace assay
