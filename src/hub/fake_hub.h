// For tests: a Hub with one repository, org/tiny, on 127.0.0.1; answers as the real one does and notes what it is
// asked.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/sha256.h"
#include "http/test_servers.h"
#include "hub/blob_hash.h"

namespace assay::testing {

inline const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

struct FakeFile {
  std::string content;
  bool large = false;                    // in Git LFS
  std::optional<std::string> sent = {};  // in place of the content
};

// What the server was asked for.
struct Asked {
  std::string method;
  std::string path;
  std::string range;
  std::string authorization;
};

inline std::string hash_of(const FakeFile& file) {
  return file.large ? sha256_hex(file.content)
                    : git_blob_sha1(std::as_bytes(std::span(file.content.data(), file.content.size())));
}

class FakeHub {
 public:
  FakeHub() {
    serve(hub_, false);
    serve(storage_, true);
    hub_.start();
    storage_.start();
  }

  std::string url() const { return hub_.url(); }
  std::string storage_url() const { return storage_.url(); }
  void stop() {
    hub_.stop();
    storage_.stop();
  }

  // Set before the first request, or while none is running: after an Error only where there was one at a time.
  std::map<std::string, FakeFile> files = {{"config.json", {"{}"}},
                                           {"tokenizer.json", {"{\"a\": 1}"}},
                                           {"README.md", {"text"}},
                                           {"sub/other.json", {"{}"}},
                                           {"pytorch_model.bin", {"pickle", true}},
                                           {"model.safetensors", {std::string(100'000, 'w'), true}}};
  std::vector<std::string> revisions = {"main", "v1", "refs/pr/1", kCommit};
  std::string token;    // that is asked for; "": none
  std::string refusal;  // X-Error-Code of every reply, with refusal_status
  int refusal_status = 0;
  bool echoes_token = false;  // in error headers and as a file's name
  bool redirects = true;      // large files come from another port
  bool ranges = true;
  bool hashes = true;                        // in the listing
  std::vector<int> troubles;                 // statuses of the first replies to requests for files
  std::size_t trouble_bytes = 0;             // of their bodies
  std::size_t cut_after = 0;                 // bytes of a large file's body; 0: never
  int cuts = 0;                              // so many bodies, then no more
  std::map<std::string, std::size_t> sizes;  // that the listing claims in place of the true ones
  std::function<void(const Asked&)> before_body = [](const Asked&) {};
  std::function<void(std::size_t offset)> before_bytes = [](std::size_t) {};  // of a large file

  std::vector<Asked> asked(const std::string& path_part, const std::string& method = "GET") {
    const std::lock_guard lock(mutex_);
    std::vector<Asked> found;
    for (const Asked& one : asked_) {
      if (one.method == method && one.path.find(path_part) != std::string::npos) found.push_back(one);
    }
    return found;
  }
  std::size_t requests() {
    const std::lock_guard lock(mutex_);
    return asked_.size();
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    asked_.clear();
  }

 private:
  Asked note(const httplib::Request& request) {
    Asked asked{request.method, request.path, request.get_header_value("Range"),
                request.get_header_value("Authorization")};
    const std::lock_guard lock(mutex_);
    asked_.push_back(asked);
    return asked;
  }

  void serve(HttpTestServer& server, bool storage) {
    // Connections that are kept hold a thread each.
    server->new_task_queue = [] { return new httplib::ThreadPool(24); };
    server->Get("/.*", [this, storage](const httplib::Request& request, httplib::Response& reply) {
      const Asked asked = note(request);
      if (storage) return send_stored(asked, request, reply);
      if (refuse(asked, reply)) return;
      const std::string api = "/api/models/org/tiny/revision/";
      const std::string resolve = "/org/tiny/resolve/" + kCommit + "/";
      if (asked.path.starts_with(api)) return send_listing(asked.path.substr(api.size()), reply);
      if (asked.path.starts_with(resolve))
        return send(asked.path.substr(resolve.size()), asked, request, reply);
      error(reply, 404, "RepoNotFound");
    });
  }

  void error(httplib::Response& reply, int status, const std::string& code) {
    reply.status = status;
    reply.set_header("X-Error-Code", echoes_token ? token : code);
    reply.set_header("X-Error-Message", echoes_token ? token : "words");
    reply.set_content(echoes_token ? token : "no", "text/plain");
  }

  bool refuse(const Asked& asked, httplib::Response& reply) {
    if (refusal_status != 0) return error(reply, refusal_status, refusal), true;
    if (!token.empty() && asked.authorization != "Bearer " + token) {
      return error(reply, 401, "RepoNotFound"), true;
    }
    const std::lock_guard lock(mutex_);
    if (troubles.empty() || asked.path.starts_with("/api/")) return false;
    reply.status = troubles.front();
    reply.set_header("Retry-After", "0");
    if (trouble_bytes > 0) reply.set_content(std::string(trouble_bytes, 'x'), "text/plain");
    troubles.erase(troubles.begin());
    return true;
  }

  void send_listing(const std::string& revision, httplib::Response& reply) {
    if (std::find(revisions.begin(), revisions.end(), revision) == revisions.end()) {
      return error(reply, 404, "RevisionNotFound");
    }
    Json siblings = Json::array();
    for (const auto& [name, file] : files) {
      Json sibling = {{"rfilename", name}};
      if (hashes) {
        sibling["size"] = sizes.contains(name) ? sizes.at(name) : file.content.size();
        sibling["blobId"] = hash_of({file.content});
        if (file.large) {
          sibling["lfs"] = {{"sha256", hash_of(file)}, {"size", file.content.size()}, {"pointerSize", 130}};
        }
      }
      siblings.push_back(std::move(sibling));
    }
    reply.set_content(Json{{"id", "org/tiny"}, {"sha", kCommit}, {"siblings", siblings}}.dump(),
                      "application/json");
  }

  void send(const std::string& name, const Asked& asked, const httplib::Request& request,
            httplib::Response& reply) {
    const auto found = files.find(name);
    if (found == files.end()) return error(reply, 404, "EntryNotFound");
    const FakeFile& file = found->second;
    reply.set_header("X-Repo-Commit", kCommit);
    if (file.large) {
      reply.set_header("X-Linked-ETag", "\"" + hash_of(file) + "\"");
      reply.set_header("X-Linked-Size", std::to_string(file.content.size()));
    }
    if (file.large && redirects) return reply.set_redirect(storage_.url() + "/stored/" + name);
    reply.set_header("ETag", "\"" + hash_of(file) + "\"");
    send_body(file, asked, request, reply);
  }

  void send_stored(const Asked& asked, const httplib::Request& request, httplib::Response& reply) {
    const FakeFile& file = files.at(asked.path.substr(std::string("/stored/").size()));
    reply.set_header("ETag", "\"stored-" + hash_of(file) + "\"");
    send_body(file, asked, request, reply);
  }

  void send_body(const FakeFile& file, const Asked& asked, const httplib::Request& request,
                 httplib::Response& reply) {
    if (asked.method == "GET") before_body(asked);
    if (!ranges) const_cast<httplib::Request&>(request).ranges.clear();
    const std::string content = file.sent.value_or(file.content);
    if (content.empty() || asked.method == "HEAD")
      return reply.set_content(content, "application/octet-stream");
    std::size_t most = content.size();
    {
      const std::lock_guard lock(mutex_);
      if (file.large && cut_after > 0 && cuts > 0) {
        most = cut_after;
        --cuts;
      }
    }
    auto left = std::make_shared<std::size_t>(most);
    reply.set_content_provider(content.size(), "application/octet-stream",
                               [this, large = file.large, content, left](
                                   std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                                 if (large) before_bytes(offset);
                                 const std::size_t now = std::min({length, *left, std::size_t{4096}});
                                 *left -= now;
                                 return now > 0 && sink.write(content.data() + offset, now);
                               });
  }

  std::mutex mutex_;
  std::vector<Asked> asked_;
  HttpTestServer storage_;
  HttpTestServer hub_;
};

}  // namespace assay::testing
