#include <fmt/format.h>

#include <algorithm>

#include "http/backoff.h"
#include "http/fleet_run.h"
#include "http/reply_words.h"
#include "http/steady.h"

namespace assay {

void FleetRun::take_down(Endpoint& endpoint, double now) {
  if (!endpoint.state.healthy) return;
  endpoint.state.healthy = false;
  endpoint.down_since = now;
  endpoint.failed_probes = 0;
  endpoint.probe_at = now + backoff_s(1, options_.first_delay_s, options_.most_delay_s, random_);
  work_.log(endpoint.state.url + ": down, asked for its health until it answers");
}

void FleetRun::start_probes(double now) {
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    Endpoint& endpoint = endpoints_[i];
    if (endpoint.state.healthy || endpoint.probing || endpoint.probe_at > now) continue;
    HttpRequest request;
    request.url = endpoint.state.url + options_.health_path;
    request.tls = endpoint.tls;
    request.token = endpoint.token;
    request.connect_timeout_s = 10;
    request.timeout_s = 10;
    request.most_bytes = std::size_t{1} << 20;
    endpoint.probing = true;
    const auto number = std::make_shared<HttpClient::Exchange>();
    const auto index = static_cast<Index>(i);
    *number = client_.start(std::move(request), [this, index, number](const HttpReply& reply) {
      probes_in_flight_.erase(*number);
      if (!failure_) end_probe(index, reply);
    });
    probes_in_flight_[*number] = index;
  }
}

void FleetRun::end_probe(Index index, const HttpReply& reply) {
  Endpoint& endpoint = at(index);
  endpoint.probing = false;
  if (class_of(reply) == ReplyClass::usable) {
    endpoint.state.healthy = true;
    endpoint.vouched = true;
    work_.log(endpoint.state.url + ": up again");
    return;
  }
  endpoint.trouble = words_of(reply, endpoint.token);
  if (reply.transport == Transport::tls) {
    failure_ = Error{endpoint.state.url, options_.health_path, "a reply of status 2xx", endpoint.trouble};
    return;
  }
  ++endpoint.failed_probes;
  endpoint.probe_at = steady_now_s() + backoff_s(endpoint.failed_probes + 1, options_.first_delay_s,
                                                 options_.most_delay_s, random_);
}

std::optional<Error> FleetRun::given_up(double now) const {
  double since = 0;
  std::string troubles;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.state.healthy) return {};
    since = std::max(since, endpoint.down_since);
    troubles += (troubles.empty() ? "" : "; ") + endpoint.state.url + ": " + endpoint.trouble;
  }
  if (now - since < options_.give_up_s) return {};
  return Error{endpoints_.size() == 1 ? endpoints_[0].state.url : "endpoints", "",
               fmt::format("one that answers within {} s", options_.give_up_s), troubles};
}

}  // namespace assay
