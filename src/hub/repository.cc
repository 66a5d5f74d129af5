#include "hub/repository.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "hub/name.h"

namespace assay {
namespace {

constexpr int kMostRedirects = 5;

// W/"abc" and "abc" are abc.
std::string bare_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::optional<std::size_t> number_of(std::string_view text) {
  std::size_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

// Scheme, host and port.
std::string origin_of(const std::string& url) { return url.substr(0, url.find('/', url.find("://") + 3)); }

// Of a reply, the header `linked` that the Hub sets where it redirects to another host, else `own`.
std::string_view header_of_file(const HttpReply& reply, std::string_view linked, std::string_view own) {
  const std::string_view value = header_of(reply, linked);
  return value.empty() && reply.status < 300 ? header_of(reply, own) : value;
}

}  // namespace

Result<Listing> fetch_listing(HubServer& server, const std::string& repository, const std::string& revision) {
  const std::string url = server.url(
      fmt::format("/api/models/{}/revision/{}?blobs=true", repository, percent_encoded(revision, false)));
  const auto reply = server.ask(server.request("GET", url));
  if (!reply) return reply.error();
  if (reply->status != 200) return server.refusal(*reply, url);
  auto listing = read_api_listing(reply->body, url);
  if (!listing) return listing;
  if (is_hex(revision, kSha1Digits) && listing->commit != revision) {
    return Error{url, "sha", revision, listing->commit};
  }
  return listing;
}

std::string file_url(const HubServer& server, const std::string& repository, const std::string& commit,
                     const std::string& file) {
  return server.url(fmt::format("/{}/resolve/{}/{}", repository, commit, percent_encoded(file, true)));
}

Result<HubFile> with_hash_and_size(HubServer& server, const std::string& repository,
                                   const std::string& commit, HubFile file) {
  if (file.hash && file.size) return file;
  const std::string url = file_url(server, repository, commit, file.name);
  HttpRequest request = server.request("HEAD", url);
  HttpReply reply;
  for (int redirects = 0;; ++redirects) {
    auto answer = server.ask(request);
    if (!answer) return answer.error();
    reply = *std::move(answer);
    const std::string_view target = header_of(reply, "location");
    const bool ends = reply.status < 300 || !header_of(reply, "x-linked-etag").empty();
    // Only within the Hub: another host's ETag is of its own making.
    if (ends || !target.starts_with('/') || target.starts_with("//") || redirects == kMostRedirects) break;
    request.url = origin_of(url) + std::string(target);
  }
  const std::string etag = bare_etag(header_of_file(reply, "x-linked-etag", "etag"));
  if (!file.hash) {
    if (!is_plain_name(etag)) return Error{url, "ETag", "one that can name a file", "none or another"};
    file.hash = etag;
  }
  if (!file.size) file.size = number_of(header_of_file(reply, "x-linked-size", "content-length"));
  if (!file.size) return Error{url, "Content-Length", "the size of the file", "none"};
  return file;
}

}  // namespace assay
