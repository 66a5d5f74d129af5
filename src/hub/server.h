// Requests to the Hub: its address, the token, patience with passing troubles, and refusals in words.
#pragma once

#include <string>

#include "base/error.h"
#include "base/splitmix.h"
#include "http/client.h"
#include "hub/environment.h"
#include "hub/hub.h"

namespace assay {

struct Patience {
  int most_tries = 6;  // in a row without a byte of use
  int most_unreachable =
      3;  // of ask(): where the machine has no way to the Hub, or the name was meant as a path
  double first_delay_s = 0.5;  // before the second try; doubles with each
  double most_delay_s = 30;    // also caps Retry-After
};

class HubServer {
 public:
  // `environment` and `options` must outlive it.
  HubServer(const HubEnvironment& environment, const HubOptions& options, Patience patience);

  HttpClient& client() { return client_; }
  const Patience& patience() const { return patience_; }
  bool stopped() const { return options_.stopped(); }
  void log(const std::string& line) const { options_.log(line); }

  std::string url(const std::string& path) const { return environment_.endpoint + path; }
  // To `path` of the endpoint, or to `url` of any host: the client gives the token to no other.
  HttpRequest request(std::string method, std::string url) const;

  // Tries again as patience says. Error: stopped, or refusal() of the last reply; statuses 200 to 399 are none.
  Result<HttpReply> ask(const HttpRequest& request);

  // No answer, a cut one, 408, 429 and 500 to 599.
  static bool passes(const HttpReply& reply);
  // How long to wait after so many failures, at least one: exponential with full jitter, at least the reply's
  // Retry-After.
  double delay_s(int failures, const HttpReply& reply);
  Error refusal(const HttpReply& reply, const std::string& url) const;
  static Error stopped_error(const std::string& what);

 private:
  const HubEnvironment& environment_;
  const HubOptions& options_;
  Patience patience_;
  HttpClient client_;
  SplitMix64 jitter_;
};

}  // namespace assay
