#include "hub/download.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/index.h"
#include "hub/file_transfer.h"
#include "hub/repository.h"

namespace assay {
namespace {

constexpr double kLongestStep = 0.2;  // seconds between two looks at `stopped` and at locks of others
constexpr double kVerifyStep = 0.01;  // two looks at a hash that is being computed
constexpr double kLongestEnd = 1;
constexpr double kStallTimeout_s = 60;
constexpr int kMostRedirects = 5;
constexpr std::size_t kMostErrorBody = std::size_t{1} << 20;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double megabytes(std::size_t bytes) { return static_cast<double>(bytes) / 1e6; }

class Download {
 public:
  Download(HubServer& server, const HubCache& cache, const std::string& commit, const DownloadLimits& limits)
      : server_(server), cache_(cache), commit_(commit), limits_(limits) {}

  Result<void> run(const std::vector<HubFile>& files);

 private:
  struct Request {
    FileTransfer* file;
    std::unique_ptr<Piece> piece;  // its address goes into the sink
  };

  Result<void> step();
  Result<void> begin_files();
  void start_requests();
  void start(FileTransfer& file, Piece piece);
  void end(HttpClient::Exchange exchange, const HttpReply& reply);
  void cancel(const FileTransfer* file);  // nullptr: of all files
  void wind_up();
  Result<void> finish_files();
  void report(bool last);

  HubServer& server_;
  const HubCache& cache_;
  const std::string& commit_;
  const DownloadLimits& limits_;
  std::list<FileTransfer> files_;
  std::map<HttpClient::Exchange, Request> requests_;
  std::optional<Error> error_;
  bool ending_ = false;
  std::string waits_for_;  // the file whose lock another holds
  std::size_t total_ = 0;
  std::size_t done_ = 0;  // of files that are linked
  std::size_t fetched_ = 0;
  std::size_t reported_ = 0;
  double started_ = 0;
  double reported_at_ = 0;
};

Result<void> Download::run(const std::vector<HubFile>& files) {
  for (const HubFile& file : files) {
    require(file.hash && file.size, "hash and size of a file to download are known");
    files_.emplace_back(cache_, file, limits_);
    total_ += *file.size;
  }
  started_ = reported_at_ = now_s();
  server_.log(fmt::format("{}: downloading {} files, {:.1f} MB, from {} into {}", cache_.name().repository,
                          files.size(), megabytes(total_), server_.url(""), cache_.folder().string()));
  Result<void> result;
  while (result && !files_.empty()) {
    result = server_.stopped() ? HubServer::stopped_error(cache_.name().repository) : step();
  }
  wind_up();
  if (result) report(true);
  return result;
}

Result<void> Download::step() {
  if (auto begun = begin_files(); !begun) return begun;
  start_requests();
  double pause = kLongestStep;
  for (const FileTransfer& file : files_) {
    if (file.verifying()) pause = std::min(pause, kVerifyStep);
    if (file.not_before > 0) pause = std::min(pause, std::max(file.not_before - now_s(), 0.001));
  }
  server_.client().wait(pause);
  if (error_) return *error_;
  if (auto finished = finish_files(); !finished) return finished;
  report(false);
  return {};
}

// So many that the requests at hand are used up; a file is held only while it is worked on.
Result<void> Download::begin_files() {
  std::set<std::string> open;  // hashes: of two files with one content the second waits for the first's blob
  for (FileTransfer& file : files_) {
    if (static_cast<int>(open.size()) >= limits_.at_once) break;
    if (!file.begun() && !open.contains(*file.file().hash)) {
      const auto begun = file.begin();
      if (!begun) return begun.error();
      if (!*begun && waits_for_ != file.file().name) {
        waits_for_ = file.file().name;
        server_.log(fmt::format("{}: {} is being downloaded by another process: waiting",
                                cache_.name().repository, waits_for_));
      }
    }
    if (file.begun()) open.insert(*file.file().hash);
  }
  return {};
}

void Download::start_requests() {
  const double now = now_s();
  for (FileTransfer& file : files_) {
    if (file.not_before > now) continue;
    file.not_before = 0;
    while (static_cast<int>(requests_.size()) < limits_.at_once) {
      auto piece = file.next_piece();
      if (!piece) break;
      start(file, *std::move(piece));
    }
  }
}

void Download::start(FileTransfer& file, Piece next) {
  auto piece = std::make_unique<Piece>(std::move(next));
  HttpRequest request =
      server_.request("GET", file_url(server_, cache_.name().repository, commit_, file.file().name));
  request.timeout_s = 0;
  request.stall_timeout_s = kStallTimeout_s;
  request.most_redirects = kMostRedirects;
  request.most_bytes =
      piece->range.end - piece->range.begin + kMostErrorBody;  // the sink refuses what is too long of a file
  if (piece->ranged) {
    request.headers.emplace_back("Range",
                                 fmt::format("bytes={}-{}", piece->range.begin, piece->range.end - 1));
  }
  request.sink = [this, &file, at = piece.get()](std::string_view bytes) {
    return !ending_ && file.take(*at, bytes);
  };
  const auto id = std::make_shared<HttpClient::Exchange>();
  *id = server_.client().start(std::move(request), [this, id](const HttpReply& reply) { end(*id, reply); });
  ++file.in_flight;
  requests_.emplace(*id, Request{&file, std::move(piece)});
}

void Download::end(HttpClient::Exchange exchange, const HttpReply& reply) {
  auto node = requests_.extract(exchange);
  FileTransfer& file = *node.mapped().file;
  --file.in_flight;
  fetched_ += node.mapped().piece->received;
  const auto outcome = file.end(*node.mapped().piece, reply);
  if (error_ || ending_) return;
  if (!outcome) {
    error_ = outcome.error();
    return;
  }
  const std::string url = file_url(server_, cache_.name().repository, commit_, file.file().name);
  if (*outcome == FileTransfer::Outcome::refused) error_ = server_.refusal(reply, url);
  if (*outcome == FileTransfer::Outcome::taken || *outcome == FileTransfer::Outcome::refused) return;
  // Requests that fail together are one failure.
  const double now = now_s();
  if (file.not_before <= now) ++file.failures;
  if (file.failures >= server_.patience().most_tries || file.restarts >= server_.patience().most_tries) {
    error_ = server_.refusal(reply, url);
    return;
  }
  if (*outcome == FileTransfer::Outcome::start_again) {
    cancel(&file);
    file.start_again(reply.status);
  }
  file.not_before = now + server_.delay_s(file.failures, reply);
}

void Download::cancel(const FileTransfer* file) {
  for (auto at = requests_.begin(); at != requests_.end();) {
    const auto next = std::next(at);
    if (file == nullptr || at->second.file == file) {
      server_.client().cancel(at->first);
      --at->second.file->in_flight;
      requests_.erase(at);
    }
    at = next;
  }
}

// Only at its end does a request say what its bytes are worth: those that are receiving end with their next byte.
void Download::wind_up() {
  ending_ = true;
  const double until = now_s() + kLongestEnd;
  while (!requests_.empty() && now_s() < until) server_.client().wait(kLongestStep);
  cancel(nullptr);
}

Result<void> Download::finish_files() {
  for (auto file = files_.begin(); file != files_.end();) {
    const auto next = std::next(file);
    if (file->ready_to_verify()) file->verify();
    if (auto verified = file->verified(); !verified) return verified.error();
    if (file->complete()) {
      if (auto linked = cache_.link(commit_, file->file().name, *file->file().hash); !linked) return linked;
      done_ += *file->file().size;
      files_.erase(file);
    }
    file = next;
  }
  return {};
}

void Download::report(bool last) {
  const double now = now_s();
  if (!last && (now <= reported_at_ || now < reported_at_ + limits_.progress_s)) return;
  std::size_t present = done_;
  std::string name;
  for (const FileTransfer& file : files_) {
    present += file.present();
    if (name.empty() && file.in_flight > 0) name = file.file().name;
  }
  for (const auto& [exchange, request] : requests_) present += request.piece->received;
  // The last line has the mean of what this run fetched.
  const double rate = last ? megabytes(fetched_) / std::max(now - started_, 1e-9)
                           : megabytes(present - std::min(reported_, present)) / (now - reported_at_);
  server_.log(fmt::format("{}: {}, {:.1f} of {:.1f} MB, {:.1f} MB/s", cache_.name().repository,
                          last           ? "all files"
                          : name.empty() ? "verifying"
                                         : name,
                          megabytes(present), megabytes(total_), rate));
  reported_ = present;
  reported_at_ = now;
}

// The disk takes what is not there yet.
Result<void> check_room(const HubCache& cache, const std::vector<HubFile>& files) {
  std::error_code problem;
  std::filesystem::create_directories(cache.folder(), problem);
  if (problem) return Error{cache.folder().string(), "", "a folder that can be made", problem.message()};
  std::size_t needed = 0;
  for (const HubFile& file : files) {
    if (std::filesystem::exists(cache.blob(*file.hash), problem)) continue;
    const std::size_t present = PartialBlob::bytes_on_disk(cache.blob(*file.hash));
    needed = checked_add(needed, *file.size - std::min(present, *file.size))
                 .value_or(std::numeric_limits<std::size_t>::max());
  }
  const auto space = std::filesystem::space(cache.folder(), problem);
  if (problem || space.available >= needed) return {};
  return Error{cache.folder().string(), "", fmt::format("room for {} bytes", needed),
               fmt::format("{}", space.available)};
}

}  // namespace

Result<void> download(HubServer& server, const HubCache& cache, const std::string& commit,
                      const std::vector<HubFile>& files, const DownloadLimits& limits) {
  if (auto room = check_room(cache, files); !room) return room;
  return Download(server, cache, commit, limits).run(files);
}

}  // namespace assay
