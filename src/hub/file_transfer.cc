#include "hub/file_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "hub/blob_hash.h"

namespace assay {
namespace {

struct ContentRange {
  std::size_t first = 0;
  std::size_t size = 0;  // of the whole file
};

// "bytes 0-99/1000" (RFC 9110, 14.4).
std::optional<ContentRange> read_content_range(std::string_view text) {
  const auto number = [&](std::string_view before) -> std::optional<std::size_t> {
    if (!text.starts_with(before)) return std::nullopt;
    text.remove_prefix(before.size());
    std::size_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
    return value;
  };
  const auto first = number("bytes ");
  const auto last = first ? number("-") : std::nullopt;
  const auto size = last ? number("/") : std::nullopt;
  if (!size || !text.empty() || *last < *first || *last >= *size) return std::nullopt;
  return ContentRange{*first, *size};
}

}  // namespace

Result<bool> FileTransfer::begin() {
  auto lock = FileLock::try_take(cache_.lock(*file_.hash));
  if (!lock) return lock.error();
  if (!*lock) return false;
  lock_ = *std::move(lock);
  std::error_code ignored;
  if (std::filesystem::is_regular_file(cache_.blob(*file_.hash), ignored)) {
    lock_.reset();
    complete_ = true;
    return true;
  }
  auto partial = PartialBlob::open(cache_.blob(*file_.hash), *file_.size);
  if (!partial) return partial.error();
  partial_ = *std::move(partial);
  plan();
  return true;
}

void FileTransfer::plan() {
  const std::size_t size = *file_.size;
  const std::size_t piece = size <= limits_.most_whole || whole_only_ ? size : limits_.piece;
  todo_.clear();
  for (const ByteRange& gap : partial_->gaps()) {
    for (std::size_t at = gap.begin; at < gap.end; at += std::min(piece, gap.end - at)) {
      todo_.push_back({at, at + std::min(piece, gap.end - at)});
    }
  }
}

std::optional<Piece> FileTransfer::next_piece() {
  if (todo_.empty()) return std::nullopt;
  Piece piece{.range = todo_.front(), .error = {}};
  todo_.pop_front();
  piece.ranged = piece.range != ByteRange{0, *file_.size};
  return piece;
}

void FileTransfer::give_back(const Piece& piece) { todo_.push_front(piece.range); }

bool FileTransfer::take(Piece& piece, std::string_view bytes) {
  const std::size_t room = piece.range.end - piece.range.begin - piece.received;
  piece.too_long = bytes.size() > room;
  const auto used = bytes.substr(0, room);
  if (auto written = partial_->write(piece.range.begin + piece.received, used); !written) {
    piece.error = written.error();
    return false;
  }
  piece.received += used.size();
  return !piece.too_long;
}

Error FileTransfer::error(std::string key, std::string expected, std::string found) const {
  return {cache_.name().repository + "/" + file_.name, std::move(key), std::move(expected), std::move(found)};
}

// False: bytes of another file, or of another place.
Result<bool> FileTransfer::check_reply(const Piece& piece, const HttpReply& reply) const {
  if (!piece.ranged) return reply.status == 200;
  const auto range = read_content_range(header_of(reply, "content-range"));
  if (reply.status != 206 || !range || range->first != piece.range.begin) return false;
  if (range->size != *file_.size) {
    return error("size", fmt::format("{} bytes", *file_.size), fmt::format("{}", range->size));
  }
  const std::string_view etag = header_of(reply, "etag");
  return partial_->etag().empty() || etag.empty() || etag == partial_->etag();
}

Result<FileTransfer::Outcome> FileTransfer::end(Piece& piece, const HttpReply& reply) {
  if (piece.error) return *piece.error;
  if (reply.status == 416) return Outcome::start_again;
  if (reply.status < 200 || reply.status >= 300) {
    give_back(piece);
    return HubServer::passes(reply) ? Outcome::try_again : Outcome::refused;
  }
  const auto usable = check_reply(piece, reply);
  if (!usable) return usable.error();
  if (!*usable) return Outcome::start_again;
  const std::size_t wanted = piece.range.end - piece.range.begin;
  const bool short_whole = reply.transport == Transport::ok && !piece.ranged && piece.received < wanted;
  if (short_whole || (piece.too_long && !piece.ranged)) {
    return error("size", fmt::format("{} bytes", wanted),
                 piece.too_long ? "more" : fmt::format("{}", piece.received));
  }
  const ByteRange written{piece.range.begin, piece.range.begin + piece.received};
  if (auto kept = partial_->add(written, std::string(header_of(reply, "etag"))); !kept) return kept.error();
  if (piece.received > 0) failures = 0;
  if (piece.received == wanted) return Outcome::taken;
  piece.range.begin = written.end;
  give_back(piece);
  const bool passing = reply.transport == Transport::ok || HubServer::passes(reply);
  return passing ? Outcome::try_again : Outcome::refused;
}

void FileTransfer::start_again(int status) {
  whole_only_ = whole_only_ || status != 206 || restarts > 0;
  ++restarts;
  if (partial_) (void)partial_->forget();
  plan();
}

void FileTransfer::verify() {
  if (!is_hex(*file_.hash, kSha1Digits) && !is_hex(*file_.hash, kSha256Digits)) {
    std::promise<Result<std::string>> unknown;
    unknown.set_value(*file_.hash);
    verifying_ = unknown.get_future();
    return;
  }
  verifying_ = std::async(std::launch::async,
                          [path = partial_->path(), like = *file_.hash] { return hash_like(path, like); });
}

Result<bool> FileTransfer::verified() {
  if (!verifying_.valid()) return false;
  if (verifying_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
  const auto hash = verifying_.get();
  if (!hash) return hash.error();
  if (*hash != *file_.hash) {
    partial_->remove();
    const char* kind = file_.hash->size() == kSha256Digits ? "SHA-256" : "SHA-1 of the git blob";
    return error(kind, *file_.hash, *hash + " (what was downloaded is removed)");
  }
  if (auto placed = partial_->finish(); !placed) return placed.error();
  complete_ = true;
  partial_.reset();
  lock_.reset();
  return true;
}

}  // namespace assay
