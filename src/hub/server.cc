#include "hub/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <random>
#include <string_view>

#include "http/backoff.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostReply = std::size_t{64} << 20;
constexpr double kLongestStep = 0.2;  // seconds between two looks at `stopped`

// A word of the Hub's own; others are not repeated, for they may repeat what was sent.
std::string_view error_code(const HttpReply& reply) {
  static constexpr std::array<std::string_view, 5> kCodes = {"RepoNotFound", "GatedRepo", "EntryNotFound",
                                                             "RevisionNotFound", "DisabledRepo"};
  const auto found = std::find(kCodes.begin(), kCodes.end(), header_of(reply, "x-error-code"));
  return found == kCodes.end() ? std::string_view() : *found;
}

std::string_view expected_of(int status, std::string_view code) {
  if (code == "GatedRepo") return "access to a gated repository (accept its terms on its page, set HF_TOKEN)";
  if (code == "RevisionNotFound") return "a branch, a tag or a commit of the repository";
  if (code == "EntryNotFound") return "a file of the repository";
  if (status == 401 || status == 403 || status == 404) return "a repository that exists and that may be read";
  return "HTTP status 200";
}

}  // namespace

HubServer::HubServer(const HubEnvironment& environment, const HubOptions& options, Patience patience)
    : environment_(environment), options_(options), patience_(patience), jitter_(std::random_device()()) {}

HttpRequest HubServer::request(std::string method, std::string url) const {
  return {.method = std::move(method),
          .url = std::move(url),
          .headers = {{"Accept-Encoding", "identity"}, {"User-Agent", "assay"}},
          .token = environment_.token,
          .stall_timeout_s = 60,
          .most_bytes = kMostReply};
}

bool HubServer::passes(const HttpReply& reply) {
  switch (reply.transport) {
    case Transport::unreachable:
    case Transport::reset:
    case Transport::timed_out:
    case Transport::cut:
      return true;
    case Transport::ok:
      return reply.status == 408 || reply.status == 429 || (reply.status >= 500 && reply.status < 600);
    default:
      return false;
  }
}

double HubServer::delay_s(int failures, const HttpReply& reply) {
  const double most = std::min(patience_.first_delay_s * std::exp2(failures - 1), patience_.most_delay_s);
  const double jittered = most * (static_cast<double>(jitter_.next() >> 11) / 0x1p53);
  const double asked = retry_after_s(header_of(reply, "retry-after"), std::time(nullptr)).value_or(0);
  return std::max(jittered, std::min(asked, patience_.most_delay_s));
}

Result<HttpReply> HubServer::ask(const HttpRequest& request) {
  for (int tries = 1;; ++tries) {
    bool ended = false;
    HttpReply reply;
    const auto exchange = client_.start(request, [&](HttpReply came) {
      reply = std::move(came);
      ended = true;
    });
    while (!ended && !stopped()) client_.wait(kLongestStep);
    client_.cancel(exchange);
    if (!ended) return stopped_error(request.url);
    if (reply.transport == Transport::ok && reply.status >= 200 && reply.status < 400) return reply;
    const bool nobody = reply.transport == Transport::unreachable;
    const int most =
        nobody ? std::min(patience_.most_unreachable, patience_.most_tries) : patience_.most_tries;
    if (!passes(reply) || tries >= most) return refusal(reply, request.url);
    const auto until = Clock::now() + std::chrono::duration<double>(delay_s(tries, reply));
    while (Clock::now() < until && !stopped()) client_.wait(kLongestStep);
  }
}

Error HubServer::refusal(const HttpReply& reply, const std::string& url) const {
  if (reply.transport != Transport::ok) {
    return Error{url, "", "an answer", fmt::format("{}: {}", word(reply.transport), reply.trouble)};
  }
  const std::string_view code = error_code(reply);
  std::string found = fmt::format("{}{}{}", reply.status, code.empty() ? "" : " ", code);
  if (reply.status == 401 || reply.status == 403 || reply.status == 404) {
    found += environment_.token ? " (a token was sent)" : " (no token was sent: HF_TOKEN is not set)";
  }
  return Error{url, "", std::string(expected_of(reply.status, code)), std::move(found)};
}

Error HubServer::stopped_error(const std::string& what) {
  return Error{what, "", "a whole download", "a stop before its end"};
}

}  // namespace assay
