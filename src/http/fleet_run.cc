#include "http/fleet_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "http/backoff.h"
#include "http/reply_words.h"
#include "http/request_check.h"
#include "http/steady.h"

namespace assay {
namespace {

constexpr double kStopInterval_s = 0.2;  // promised by FleetWork::stopped

}  // namespace

FleetRun::FleetRun(HttpClient& client, const FleetOptions& options, std::vector<EndpointState>& states,
                   const FleetWork& work)
    : client_(client),
      options_(options),
      work_(work),
      queue_(work.jobs, options.most_ahead),
      random_(options.seed) {
  const double now = steady_now_s();
  for (EndpointState& state : states) {
    Endpoint endpoint{state, Window(state.window, options.most_in_flight)};
    endpoint.down_since = now;  // counts where an earlier run left it down
    endpoint.probe_at = now;
    endpoints_.push_back(std::move(endpoint));
  }
}

FleetRun::~FleetRun() {
  for (const auto& [exchange, endpoint] : jobs_in_flight_) {
    client_.cancel(exchange);
    --at(endpoint).state.in_flight;
  }
  for (const auto& [exchange, endpoint] : probes_in_flight_) client_.cancel(exchange);
}

Result<bool> FleetRun::run() {
  while (!failure_ && !queue_.all_finished()) {
    if (work_.stopped()) return false;
    const double now = steady_now_s();
    if (auto error = given_up(now)) return *std::move(error);
    start_probes(now);
    start_due_jobs(now);
    if (failure_) break;
    client_.wait(std::clamp(next_event(now) - steady_now_s(), 0.0, kStopInterval_s));
  }
  if (failure_) return *std::move(failure_);
  return true;
}

void FleetRun::start_due_jobs(double now) {
  Index after = kNowhere;
  for (std::optional<DueJob> due; !failure_ && (due = queue_.due(now, after)); after = due->job) {
    if (const auto endpoint = choose(due->failed_at, now)) {
      start(*due, *endpoint);
    } else if (due->failed_at == kNowhere) {
      return;  // no room for a fresh job, so for none
    }
  }
}

// The one with the most free window; for a job that failed, another than the last where another can work.
std::optional<Index> FleetRun::choose(Index failed_at, double now) const {
  std::optional<Index> best;
  Index most_free = 0;
  bool another_works = false;
  bool same_has_room = false;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const Endpoint& endpoint = endpoints_[i];
    if (!endpoint.state.healthy || endpoint.paused_until > now) continue;
    const Index free = endpoint.window.free(endpoint.state.in_flight);
    if (static_cast<Index>(i) == failed_at) {
      same_has_room = free > 0;
      continue;
    }
    another_works = true;
    if (free <= most_free) continue;
    most_free = free;
    best = static_cast<Index>(i);
  }
  if (best || another_works || !same_has_room) return best;
  return failed_at;
}

void FleetRun::start(const DueJob& job, Index index) {
  Endpoint& endpoint = at(index);
  HttpRequest request = work_.request(job.job);
  require(request.url.starts_with('/'), "a fleet's request has a path");
  const Try tried{job, index, endpoint.window.epoch(), request.url, request.token};
  request.url = endpoint.state.url + request.url;
  if (const auto checked = check_request(request); !checked) {
    failure_ = checked.error();
    failure_->file = endpoint.state.url;
    return;
  }
  endpoint.tls = request.tls;
  endpoint.token = request.token;
  queue_.start(job);
  ++endpoint.state.in_flight;
  // The callback learns its exchange's number after start() has returned it, and is never called before.
  const auto number = std::make_shared<HttpClient::Exchange>();
  *number = client_.start(std::move(request), [this, tried, number](HttpReply reply) {
    jobs_in_flight_.erase(*number);
    --at(tried.endpoint).state.in_flight;
    if (!failure_) end(tried, std::move(reply));
  });
  jobs_in_flight_[*number] = index;
}

void FleetRun::end(const Try& tried, HttpReply reply) {
  Endpoint& endpoint = at(tried.endpoint);
  const ReplyClass meaning = class_of(reply);
  const bool unreachable = reply.transport == Transport::unreachable;
  // Its server was never asked, so the try is the endpoint's failure and not the job's; but where a probe had
  // succeeded just before, it is counted, so that no job goes round for ever.
  const bool counts = !unreachable || endpoint.vouched;
  if (!unreachable) endpoint.vouched = false;
  if (meaning == ReplyClass::usable) {
    FleetReply usable{endpoint.state.url, tried.job.tries + 1, std::move(reply)};
    take(tried, usable);
    return client_.reuse(std::move(usable.http.body));
  }
  endpoint.trouble = words_of(reply, tried.token);
  if (meaning == ReplyClass::refused) {
    failure_ = Error{endpoint.state.url, tried.path, "a reply of status 2xx", endpoint.trouble};
    return;
  }
  const double now = steady_now_s();
  pause_after(tried, reply, now);
  if (unreachable) take_down(endpoint, now);
  const std::string expected = fmt::format("a usable reply within {} tries", options_.most_tries);
  try_again(tried, counts, endpoint.trouble, {endpoint.state.url, tried.path, expected, endpoint.trouble});
}

void FleetRun::take(const Try& tried, const FleetReply& reply) {
  Endpoint& endpoint = at(tried.endpoint);
  const auto taken = work_.take(tried.job.job, reply);
  if (taken) {
    queue_.finish(tried.job.job);
    ++endpoint.state.taken;
    endpoint.failures = 0;
    endpoint.window.succeeded();
    endpoint.state.window = endpoint.window.size();
    return;
  }
  Error error = taken.error();
  if (tried.token) {
    for (std::string* part : {&error.file, &error.key, &error.expected, &error.found}) {
      *part = tried.token->hide_in(std::move(*part));
    }
  }
  if (!error.file.empty() && error.file != reply.endpoint) {
    error.key = error.key.empty() ? error.file : error.file + ": " + error.key;
  }
  error.file = reply.endpoint;
  endpoint.trouble = error.message();
  try_again(tried, true, "wrong reply: " + error.message(), error);
}

void FleetRun::pause_after(const Try& tried, const HttpReply& reply, double now) {
  Endpoint& endpoint = at(tried.endpoint);
  if (endpoint.window.trouble(tried.epoch)) ++endpoint.failures;
  endpoint.state.window = endpoint.window.size();
  double pause = 0;
  if (const auto asked = retry_after_s(header_of(reply, "retry-after"), std::time(nullptr))) {
    pause = std::min(*asked, options_.most_delay_s);
  } else if (endpoint.failures > 1) {  // a single one may be the job's fault
    pause = backoff_s(endpoint.failures - 1, options_.first_delay_s, options_.most_delay_s, random_);
  }
  endpoint.paused_until = std::max(endpoint.paused_until, now + pause);
}

void FleetRun::try_again(const Try& tried, bool counts, const std::string& why, Error last) {
  Endpoint& endpoint = at(tried.endpoint);
  ++endpoint.state.troubles;
  DueJob next{tried.job.job, tried.job.tries + (counts ? 1 : 0), tried.endpoint};
  if (next.tries >= options_.most_tries) {
    failure_ = std::move(last);
    return;
  }
  const double delay =
      counts ? backoff_s(next.tries, options_.first_delay_s, options_.most_delay_s, random_) : 0;
  work_.log(fmt::format("{}: job {}, try {} of {}: {}", endpoint.state.url, next.job, tried.job.tries + 1,
                        options_.most_tries, why));
  queue_.fail(next, steady_now_s() + delay);
}

double FleetRun::next_event(double now) const {
  double next = queue_.next_due(now);
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.paused_until > now) next = std::min(next, endpoint.paused_until);
    if (!endpoint.state.healthy && !endpoint.probing) next = std::min(next, endpoint.probe_at);
  }
  return next;
}

}  // namespace assay
