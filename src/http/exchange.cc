#include "http/exchange.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace assay {
namespace {

constexpr std::size_t kMostReserved = std::size_t{64} << 20;  // a Content-Length is a claim
constexpr std::size_t kLeastRoom = std::size_t{16} << 10;
constexpr long kReadBuffer = 256 << 10;  // fewer calls for replies of megabytes

template <class T>
void set(CURL* handle, CURLoption option, T value) {
  require(curl_easy_setopt(handle, option, value) == CURLE_OK, "libcurl takes the option");
}

long milliseconds(double seconds) { return static_cast<long>(std::ceil(std::min(seconds, 1e6) * 1000)); }

template <class T>
T info(CURL* handle, CURLINFO what) {
  T value = {};
  curl_easy_getinfo(handle, what, &value);
  return value;
}

// Of the other kinds, libcurl's detailed words may quote a header.
bool has_own_words(Transport transport) {
  return transport == Transport::unreachable || transport == Transport::timed_out ||
         transport == Transport::reset || transport == Transport::tls;
}

HttpHeaders headers_of_last_response(CURL* handle) {
  HttpHeaders headers;
  for (curl_header* header = nullptr; (header = curl_easy_nextheader(handle, CURLH_HEADER, -1, header));) {
    std::string name = header->name;
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    headers.emplace_back(std::move(name), header->value);
  }
  return headers;
}

}  // namespace

RunningExchange::RunningExchange(HttpRequest request, const UrlParts& url, Connections& connections,
                                 SpareBodies& spares, std::function<void(HttpReply)> done_with)
    : done(std::move(done_with)),
      request_(std::move(request)),
      connections_(connections),
      spares_(spares),
      headers_(nullptr, curl_slist_free_all),
      handle_(curl_easy_init(), curl_easy_cleanup) {
  CURL* curl = handle();
  require(curl != nullptr, "libcurl makes a handle");
  set(curl, CURLOPT_URL, request_.url.c_str());
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, CURLOPT_REDIR_PROTOCOLS_STR,
      url.scheme == "https" ? "https" : "http,https");  // never to plain text
  set(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);      // in a redirect
  set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_TCP_NODELAY, 1L);
  set(curl, CURLOPT_BUFFERSIZE, kReadBuffer);
  set(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (is_loopback(url.host)) set(curl, CURLOPT_PROXY, "");  // whatever http_proxy says
  if (request_.method == "HEAD") set(curl, CURLOPT_NOBODY, 1L);
  if (request_.method == "POST") {
    set(curl, CURLOPT_POST, 1L);
    set(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(curl, CURLOPT_POSTFIELDS, request_.body.c_str());
  }
  set(curl, CURLOPT_WRITEFUNCTION, &RunningExchange::receive);
  set(curl, CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(curl, CURLOPT_PREREQFUNCTION, &RunningExchange::before_request);
  set(curl, CURLOPT_PREREQDATA, static_cast<void*>(this));
  connections_.serve(curl);
  set(curl, CURLOPT_ERRORBUFFER, static_cast<char*>(words_));
  set_headers();
  set_limits();
  set_tls();
}

void RunningExchange::set_headers() {
  const auto add = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    require(longer != nullptr, "libcurl holds a header");
    (void)headers_.release();
    headers_.reset(longer);
  };
  add("Expect:");
  if (request_.method == "POST") add("Content-Type:");  // libcurl's default would claim a form
  for (const auto& [name, value] : request_.headers) add(name + (value.empty() ? ";" : ": " + value));
  if (request_.token) add("Authorization: Bearer " + request_.token->reveal());
  set(handle(), CURLOPT_HTTPHEADER, headers_.get());
}

void RunningExchange::set_limits() {
  set(handle(), CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request_.connect_timeout_s));
  set(handle(), CURLOPT_TIMEOUT_MS, milliseconds(request_.timeout_s));
  set(handle(), CURLOPT_FOLLOWLOCATION, request_.most_redirects > 0 ? 1L : 0L);
  set(handle(), CURLOPT_MAXREDIRS, static_cast<long>(request_.most_redirects));
}

void RunningExchange::set_tls() {
  set(handle(), CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(handle(), CURLOPT_SSL_VERIFYPEER, request_.tls.verify ? 1L : 0L);
  set(handle(), CURLOPT_SSL_VERIFYHOST, request_.tls.verify ? 2L : 0L);
  if (request_.tls.ca_file.empty()) return;
  set(handle(), CURLOPT_CAINFO, request_.tls.ca_file.c_str());
  set(handle(), CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // else the system's are trusted too
}

std::size_t RunningExchange::receive(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<RunningExchange*>(self);
  try {
    return exchange.append({bytes, size * count}) ? size * count : CURL_WRITEFUNC_ERROR;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

int RunningExchange::before_request(void* self, char* peer, char*, int peer_port, int local_port) {
  auto& exchange = *static_cast<RunningExchange*>(self);
  if (exchange.connections_.begin_request(peer, peer_port, local_port)) return CURL_PREREQFUNC_OK;
  exchange.stale_ = true;
  return CURL_PREREQFUNC_ABORT;  // libcurl closes the connection
}

bool RunningExchange::append(std::string_view piece) {
  if (abandoned_) return false;
  received_ += piece.size();
  if (request_.most_bytes != 0 && received_ > request_.most_bytes) {
    refused_ = Transport::too_long;
    return false;
  }
  const long status = info<long>(handle(), CURLINFO_RESPONSE_CODE);
  if (request_.sink && status >= 200 && status < 300) {
    if (request_.sink(piece)) return true;
    refused_ = Transport::stopped;
    return false;
  }
  make_room(piece.size());
  body_.append(piece);
  return true;
}

// One buffer where the server told the length, else doubling.
void RunningExchange::make_room(std::size_t more) {
  const std::size_t needed = body_.size() + more + kBodyPadding;
  if (body_.capacity() >= needed) return;
  std::size_t wanted = more == 0 ? needed : std::max({needed, 2 * body_.size(), kLeastRoom});
  const auto told = info<curl_off_t>(handle(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T);
  if (body_.empty() && more > 0 && told > 0) {
    wanted = std::max(needed, std::min(static_cast<std::size_t>(told), kMostReserved) + kBodyPadding);
  }
  if (!body_.empty()) return body_.reserve(wanted);
  body_ = spares_.take(wanted);
}

double RunningExchange::stalls_at(double now) {
  if (request_.stall_timeout_s == 0) return std::numeric_limits<double>::infinity();
  const curl_off_t moved = info<curl_off_t>(handle(), CURLINFO_SIZE_DOWNLOAD_T) +
                           info<curl_off_t>(handle(), CURLINFO_SIZE_UPLOAD_T) +
                           info<long>(handle(), CURLINFO_HEADER_SIZE) +
                           info<long>(handle(), CURLINFO_REQUEST_SIZE);
  if (moved != moved_) {
    moved_ = moved;
    moved_at_ = now;
  }
  return moved_at_ + request_.stall_timeout_s;
}

HttpReply RunningExchange::take_reply(CURLcode code) {
  const bool sent = info<long>(handle(), CURLINFO_REQUEST_SIZE) > 0;
  const Transport transport = refused_ ? *refused_ : transport_of(code, words_, sent);
  if (transport == Transport::ok) return take_reply_as(transport, "");
  std::string trouble = refused_ ? word(transport) : curl_easy_strerror(code);
  if (words_[0] != '\0' && has_own_words(transport)) trouble = words_;
  if (request_.token) trouble = request_.token->hide_in(std::move(trouble));
  return take_reply_as(transport, std::move(trouble));
}

HttpReply RunningExchange::take_stalled() {
  return take_reply_as(Transport::timed_out,
                       "no byte for " + std::to_string(milliseconds(request_.stall_timeout_s)) + " ms");
}

HttpReply RunningExchange::take_reply_as(Transport transport, std::string trouble) {
  HttpReply reply;
  reply.transport = transport;
  reply.trouble = std::move(trouble);
  reply.status = static_cast<int>(info<long>(handle(), CURLINFO_RESPONSE_CODE));
  reply.headers = headers_of_last_response(handle());
  const char* url = info<char*>(handle(), CURLINFO_EFFECTIVE_URL);
  reply.url = url == nullptr ? request_.url : url;
  reply.seconds = static_cast<double>(info<curl_off_t>(handle(), CURLINFO_TOTAL_TIME_T)) / 1e6;
  make_room(0);
  reply.body = std::move(body_);
  return reply;
}

}  // namespace assay
