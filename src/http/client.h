// HTTP requests over libcurl: many at once, from one thread, with keep-alive. Knows nothing of retries (http/fleet.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/index.h"
#include "http/secret.h"

namespace assay {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct TlsChoice {
  std::string ca_file;  // PEM; "" = the system's
  bool verify = true;   // certificate and host name
};

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD or POST
  std::string url;             // absolute, http or https, without user and password
  HttpHeaders headers = {};
  std::string body = {};  // of POST
  // "Authorization: Bearer ..."; after a redirect only to the same host.
  std::optional<Secret> token = {};
  TlsChoice tls = {};
  double connect_timeout_s = 10;
  double timeout_s = 600;      // for the whole exchange; 0 = none
  double stall_timeout_s = 0;  // no byte for so long; 0 = no such limit
  int most_redirects = 0;      // 0: a redirect is a reply like any other
  std::size_t most_bytes = 0;  // of the body; 0 = no limit. A longer one ends as Transport::too_long
  // Takes the body piece by piece in place of HttpReply::body; false ends the exchange as Transport::stopped. Called
  // only for replies of status 2xx: the body of any other is in HttpReply::body.
  std::function<bool(std::string_view)> sink = {};
};

enum class Transport : std::uint8_t { ok, unreachable, reset, timed_out, cut, tls, too_long, stopped, other };
const char* word(Transport transport);

inline constexpr std::size_t kBodyPadding = 64;  // bytes behind HttpReply::body that a parser may read

struct HttpReply {
  Transport transport = Transport::other;
  std::string trouble = {};  // libcurl's words where transport is not ok; holds no header and no body
  int status = 0;            // 0: none came
  HttpHeaders headers = {};  // names in lower case; of the last response after redirects
  std::string body = {};     // capacity() >= size() + kBodyPadding
  std::string url = {};      // that answered, after redirects
  double seconds = 0;
};

// The value of a header (name in lower case), or "".
std::string_view header_of(const HttpReply& reply, std::string_view name);

// Not thread-safe; callbacks run inside wait() and fetch(), and may start and cancel exchanges.
class HttpClient {
 public:
  using Exchange = std::uint64_t;

  HttpClient();  // throws Fault where libcurl cannot be initialised
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `done` is called once, unless the exchange is cancelled first.
  Exchange start(HttpRequest request, std::function<void(HttpReply)> done);
  void cancel(Exchange exchange);  // unknown or finished: nothing happens
  Index running() const;

  // The memory of a body that has been read is used for later ones.
  void reuse(std::string body);

  // Moves bytes and calls what is done; returns after `seconds` at most, earlier when an exchange has ended.
  void wait(double seconds);

  // One exchange to its end. Other exchanges go on meanwhile.
  HttpReply fetch(HttpRequest request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay
