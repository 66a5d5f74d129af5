// What may be sent at all. Nothing that is refused here is echoed: it may hold a password.
#pragma once

#include <string>

#include "base/error.h"
#include "http/client.h"

namespace assay {

struct UrlParts {
  std::string scheme;  // "http" or "https"
  std::string host;    // an IPv6 address in brackets
};

// Error: not absolute, another scheme, a user or password, characters that a URL cannot hold.
Result<UrlParts> read_url(const std::string& url);

// Whether `host` can only be this machine: "localhost", "*.localhost", 127.0.0.0/8, [::1].
bool is_loopback(const std::string& host);

// Error: a URL that read_url refuses, another method than GET, HEAD and POST, a header's name that is no HTTP token,
// a header's value or a token with a control character (header injection), an "Authorization" header
// (HttpRequest::token is for that), a negative limit.
Result<UrlParts> check_request(const HttpRequest& request);

}  // namespace assay
