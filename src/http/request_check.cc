#include "http/request_check.h"

#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <string_view>

namespace assay {
namespace {

using Url = std::unique_ptr<CURLU, void (*)(CURLU*)>;

std::string part_of(const CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(const_cast<CURLU*>(url), part, &text, 0) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

bool is_token_character(char c) {
  const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return alphanumeric || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_control_character(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

Result<void> check_header(const std::string& name, const std::string& value) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_token_character)) {
    return Error{"request", "header", "a name of HTTP's token characters", "another name"};
  }
  if (strcasecmp(name.c_str(), "authorization") == 0) {
    return Error{"request", name, "the token as a secret of the request", "a header"};
  }
  if (std::any_of(value.begin(), value.end(), is_control_character)) {
    return Error{"request", name, "a value without control characters", "one (line break or other)"};
  }
  return {};
}

}  // namespace

Result<UrlParts> read_url(const std::string& url) {
  const Url parsed(curl_url(), curl_url_cleanup);
  require(parsed != nullptr, "libcurl makes a URL");
  const CURLUcode code =
      curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER);
  const std::string expected = "an absolute http or https URL";
  if (code == CURLUE_USER_NOT_ALLOWED) {
    return Error{"request", "url", expected + " without user and password", "one that holds them"};
  }
  if (code != CURLUE_OK || url.find('\0') != std::string::npos) {
    return Error{"request", "url", expected, code == CURLUE_OK ? "a NUL character" : curl_url_strerror(code)};
  }
  UrlParts parts{part_of(parsed.get(), CURLUPART_SCHEME), part_of(parsed.get(), CURLUPART_HOST)};
  if (parts.scheme != "http" && parts.scheme != "https") {
    return Error{"request", "url", expected, "another scheme"};
  }
  return parts;
}

bool is_loopback(const std::string& host) {
  const std::string_view name = host;
  constexpr std::string_view kLocal = "localhost";
  const bool local = name.size() >= kLocal.size() &&
                     strcasecmp(host.c_str() + (name.size() - kLocal.size()), kLocal.data()) == 0 &&
                     (name.size() == kLocal.size() || name[name.size() - kLocal.size() - 1] == '.');
  const bool address =
      name.substr(0, 4) == "127." && name.find_first_not_of("0123456789.") == std::string_view::npos;
  return local || address || name == "[::1]";
}

Result<UrlParts> check_request(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
    return Error{"request", "method", "GET, HEAD or POST", "another"};
  }
  for (const auto& [name, value] : request.headers) {
    if (const auto checked = check_header(name, value); !checked) return checked.error();
  }
  if (request.token) {
    const std::string& token = request.token->reveal();
    if (token.empty() || std::any_of(token.begin(), token.end(), is_control_character)) {
      return Error{"request", "token", "a value without control characters", "an empty or another one"};
    }
  }
  if (!(request.connect_timeout_s > 0) || !(request.timeout_s >= 0) || !(request.stall_timeout_s >= 0) ||
      request.most_redirects < 0) {
    return Error{"request", "limits", "numbers that are not negative", "a negative one"};
  }
  return read_url(request.url);
}

}  // namespace assay
