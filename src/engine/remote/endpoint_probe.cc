#include "engine/remote/endpoint_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/remote/ask_json.h"
#include "engine/remote/capability_words.h"
#include "http/reply_words.h"

namespace assay {
namespace {

constexpr double kHealthTimeout_s = 10;
constexpr int kTries = 4;
constexpr double kFirstDelay_s = 0.25;  // doubles
constexpr double kStopInterval_s = 0.1;

void wait_for(double seconds, const std::function<bool()>& stopped) {
  for (; seconds > 0 && !stopped(); seconds -= kStopInterval_s) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(seconds, kStopInterval_s)));
  }
}

HttpReply ask_once(const HttpRequest& request, const ProbeSurroundings& around) {
  std::optional<HttpReply> reply;
  const auto exchange = around.client.start(request, [&](HttpReply came) { reply = std::move(came); });
  while (!reply && !around.stopped()) around.client.wait(kStopInterval_s);
  around.client.cancel(exchange);
  if (!reply)
    return {.transport = Transport::stopped, .trouble = "stopped", .body = std::string(kBodyPadding, ' ')};
  // Before anything is cut from it for an error.
  reply->body = around.transfer.hidden(std::move(reply->body));
  reply->body.reserve(reply->body.size() + kBodyPadding);  // as HttpReply promises
  return *std::move(reply);
}

// Asks again while the trouble may pass; the last reply is given whatever it is.
HttpReply ask_endpoint(const std::string& endpoint, HttpRequest request, const ProbeSurroundings& around) {
  request.url = endpoint + request.url;
  around.transfer.complete(request);
  request.most_bytes = kMostProbeReply;
  double delay = kFirstDelay_s;
  for (int tries = 1;; ++tries, delay *= 2) {
    HttpReply reply = ask_once(request, around);
    if (tries == kTries || class_of(reply) != ReplyClass::try_again || around.stopped()) return reply;
    wait_for(delay, around.stopped);
  }
}

Result<Probe> probe_endpoint(const std::string& endpoint, Dialect& dialect, const ProbeSurroundings& around,
                             std::string& router) {
  const HttpReply health = ask_endpoint(endpoint, {.url = dialect.health_path()}, around);
  if (class_of(health) != ReplyClass::usable) {
    return Error{endpoint, dialect.health_path(), fmt::format("a healthy {} server", dialect.name()),
                 words_of(health, around.transfer.token)};
  }
  auto probe = dialect.probe([&](HttpRequest request) {
    HttpReply reply = ask_endpoint(endpoint, std::move(request), around);
    if (router.empty()) router = router_sign(reply);
    return reply;
  });
  if (around.stopped()) return Error{endpoint, "probe", "an answer", "stopped"};
  if (probe) return probe;
  Error error = probe.error();
  error.file = error.file.empty() ? endpoint : endpoint + error.file;
  error.found = around.transfer.hidden(std::move(error.found));
  return error;
}

}  // namespace

void Transfer::complete(HttpRequest& request) const {
  request.token = token;
  request.tls = tls;
  request.timeout_s = timeout_s;
  request.most_bytes = kMostReply;
}

std::string Transfer::hidden(std::string text) const {
  if (!token) return text;
  return token->hide_in(std::move(text));
}

bool is_healthy(const std::string& endpoint, const Dialect& dialect, const ProbeSurroundings& around) {
  HttpRequest request{.url = endpoint + dialect.health_path()};
  around.transfer.complete(request);
  request.timeout_s = std::min(request.timeout_s, kHealthTimeout_s);
  request.most_bytes = kMostProbeReply;
  return class_of(ask_once(request, around)) == ReplyClass::usable;
}

std::string router_sign(const HttpReply& reply) {
  for (const auto& [name, value] : reply.headers) {
    if (name == "via" || name.starts_with("x-envoy-") || name.starts_with("x-kong-") ||
        name.starts_with("cf-") || name.starts_with("x-router") || name.starts_with("x-litellm-")) {
      return "header " + name;
    }
    if (name != "server") continue;
    for (const char* proxy : {"envoy", "nginx", "traefik", "haproxy", "cloudflare", "istio", "router"}) {
      if (value.find(proxy) != std::string::npos) return "header server: " + std::string(proxy);
    }
  }
  return {};
}

Result<void> check_same(const Probe& first, const Probe& other, const std::string& first_endpoint,
                        const std::string& endpoint) {
  const auto described = [](const Probe& probe) {
    Environment all = capability_words(probe.capabilities);
    all.emplace_back("batch_invariant", probe.capabilities.batch_invariant ? "yes" : "no");
    for (const auto& [key, value] : probe.identity) {
      const Json members = key == "info" ? Json::parse(value, nullptr, false) : Json();
      if (!members.is_object()) all.emplace_back(key, value);
      for (const auto& [name, member] : members.items())
        all.emplace_back(key + "." + name, text_at(members, name));
    }
    return all;
  };
  const Environment a = described(first);
  const Environment b = described(other);
  for (const auto& [from, to] : {std::pair{&a, &b}, {&b, &a}}) {
    for (const auto& [key, value] : *from) {
      if (lookup(*to, key) == value) continue;
      return Error{endpoint, key, fmt::format("\"{}\", as {}", lookup(a, key), first_endpoint),
                   fmt::format("\"{}\"", lookup(b, key))};
    }
  }
  return {};
}

Result<Probe> probe_endpoints(const std::vector<std::string>& endpoints, Dialect& dialect,
                              const ProbeSurroundings& around) {
  std::optional<Probe> first;
  for (const std::string& endpoint : endpoints) {
    std::string router;
    auto probe = probe_endpoint(endpoint, dialect, around, router);
    if (!probe) return probe.error();
    if (endpoints.size() == 1 && !router.empty()) {
      around.log(fmt::format("{}: a router answers there ({}): which replica computed a result is not known",
                             endpoint, router));
    }
    if (!first) {
      first = *std::move(probe);
    } else if (auto same = check_same(*first, *probe, endpoints.front(), endpoint); !same) {
      return same.error();
    }
  }
  for (auto& [key, value] : first->identity) value = around.transfer.hidden(std::move(value));
  first->missing = around.transfer.hidden(std::move(first->missing));
  return *std::move(first);
}

}  // namespace assay
