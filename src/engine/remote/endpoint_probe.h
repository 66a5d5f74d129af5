// Asking the endpoints of a setup what they are, before any work.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/remote/dialect.h"

namespace assay {

// How requests reach endpoints; what a dialect leaves open is filled in from here.
struct Transfer {
  std::optional<Secret> token = {};
  TlsChoice tls = {};
  double timeout_s = 600;
  void complete(HttpRequest& request) const;
  std::string hidden(std::string text) const;  // without the token
};

// Bytes. 131,072 positions with 20 ids are 200 MB.
inline constexpr std::size_t kMostReply = std::size_t{1} << 30;
inline constexpr std::size_t kMostProbeReply = std::size_t{16} << 20;

struct ProbeSurroundings {
  HttpClient& client;
  const Transfer& transfer;
  std::function<void(const std::string&)> log;
  std::function<bool()> stopped;
};

// 2xx at the health path, asked once.
bool is_healthy(const std::string& endpoint, const Dialect& dialect, const ProbeSurroundings& around);

// Of all endpoints, the one probe that each of them gives. Troubles that pass (no connection, 429, 5xx) are waited
// out for a few seconds. Of a single endpoint whose replies came through something else, a warning goes to the log: a
// router hides which replica answers. Error: an endpoint without health or answer, stopped, endpoints that differ in
// what they can do or in what they say they are.
Result<Probe> probe_endpoints(const std::vector<std::string>& endpoints, Dialect& dialect,
                              const ProbeSurroundings& around);

// What in a reply says that it came through a router or proxy ("header via"); "" = nothing.
std::string router_sign(const HttpReply& reply);

// Error: the first difference of two probes, with `endpoint` as the file.
Result<void> check_same(const Probe& first, const Probe& other, const std::string& first_endpoint,
                        const std::string& endpoint);

}  // namespace assay
