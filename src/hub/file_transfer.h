// One file of a download: which of its bytes are asked for next, and what a reply means for it.
#pragma once

#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "hub/download.h"
#include "hub/file_lock.h"
#include "hub/partial_blob.h"

namespace assay {

// Bytes of a file that one request fetches.
struct Piece {
  ByteRange range;
  bool ranged = false;         // asked with a Range header
  std::size_t received = 0;    // written behind range.begin
  bool too_long = false;       // the server sent more than the range
  std::optional<Error> error;  // of writing
};

class FileTransfer {
 public:
  FileTransfer(const HubCache& cache, HubFile file, const DownloadLimits& limits)
      : cache_(cache), file_(std::move(file)), limits_(limits) {}

  const HubFile& file() const { return file_; }

  // Takes the blob's lock. False: another holds it. Afterwards the blob is there (`complete`), or pieces are.
  Result<bool> begin();
  bool begun() const { return partial_.has_value() || complete_; }
  bool complete() const { return complete_; }  // the blob is in its place
  std::size_t present() const { return complete_ ? *file_.size : partial_ ? partial_->present() : 0; }

  std::optional<Piece> next_piece();                // nothing: all are asked for
  void give_back(const Piece& piece);               // what it lacks is asked for again
  bool take(Piece& piece, std::string_view bytes);  // the sink of the piece's request

  enum class Outcome { taken, start_again, try_again, refused };
  // The end of a piece's request. start_again: the server does not send ranges, or has another file now; the file's
  // other requests are of no use. try_again and refused: by HubServer::passes. Error: a wrong size, no room.
  Result<Outcome> end(Piece& piece, const HttpReply& reply);
  // All from the beginning. Without ranges where `status`, the reply's, is no 206, and where this is the second time.
  void start_again(int status);

  bool ready_to_verify() const { return partial_ && !verifying_.valid() && partial_->gaps().empty(); }
  void verify();  // begins, on a thread of its own
  bool verifying() const { return verifying_.valid(); }
  // After verify(). False: not yet. Error: the hash is wrong.
  Result<bool> verified();

  int in_flight = 0;
  int failures = 0;  // in a row
  int restarts = 0;
  double not_before = 0;  // seconds of the steady clock

 private:
  Result<bool> check_reply(const Piece& piece, const HttpReply& reply) const;
  Error error(std::string key, std::string expected, std::string found) const;
  void plan();

  const HubCache& cache_;
  HubFile file_;
  const DownloadLimits& limits_;
  std::optional<FileLock> lock_;
  std::optional<PartialBlob> partial_;
  std::deque<ByteRange> todo_;
  bool whole_only_ = false;  // the server does not send ranges
  bool complete_ = false;
  std::future<Result<std::string>> verifying_;
};

}  // namespace assay
