#include "hub/partial_blob.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/index.h"
#include "base/json.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// Ascending and disjoint, those that touch as one.
std::vector<ByteRange> merged(std::vector<ByteRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
  std::vector<ByteRange> result;
  for (const ByteRange& range : ranges) {
    if (range.begin == range.end) continue;
    if (result.empty() || result.back().end < range.begin) {
      result.push_back(range);
    } else {
      result.back().end = std::max(result.back().end, range.end);
    }
  }
  return result;
}

}  // namespace

PartialBlob::PartialBlob(fs::path blob, std::size_t size, Descriptor file)
    : blob_(std::move(blob)),
      data_(blob_.string() + ".assay.incomplete"),
      side_(blob_.string() + ".assay.ranges"),
      size_(size),
      file_(std::move(file)) {}

Result<PartialBlob> PartialBlob::open(fs::path blob, std::size_t size) {
  std::error_code problem;
  fs::create_directories(blob.parent_path(), problem);
  if (problem) return Error{blob.string(), "", "a folder that can be made", problem.message()};
  const std::string data = blob.string() + ".assay.incomplete";
  Descriptor file(::open(data.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return Error{data, "", "a file that can be written", std::strerror(errno)};
  struct stat status = {};
  // Of a server that listed another size for this hash.
  if (::fstat(file.get(), &status) != 0 || (static_cast<std::size_t>(status.st_size) > size &&
                                            ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)) {
    return Error{data, "", "a file that can be cut to its size", std::strerror(errno)};
  }
  PartialBlob partial(std::move(blob), size, std::move(file));
  partial.read_ranges();
  return partial;
}

std::size_t PartialBlob::bytes_on_disk(const fs::path& blob) {
  struct stat status = {};
  if (::stat((blob.string() + ".assay.incomplete").c_str(), &status) != 0) return 0;
  return static_cast<std::size_t>(status.st_blocks) * 512;  // POSIX systems count in these
}

void PartialBlob::read_ranges() {
  struct stat status = {};
  if (::fstat(file_.get(), &status) != 0) return;
  const auto length = static_cast<std::size_t>(status.st_size);
  const auto text = read_text(side_);
  if (!text || length > size_) return;
  const auto json = parse_json(*text, side_.string());
  if (!json || json_get<std::size_t>(*json, "", "size").ok() == false) return;
  const auto etag = json_get<std::string>(*json, "", "etag");
  const auto list = json->find("ranges");
  if (*json_get<std::size_t>(*json, "", "size") != size_ || !etag || list == json->end()) return;
  std::vector<ByteRange> ranges;
  for (const Json& pair : *list) {
    const bool numbers =
        pair.is_array() && pair.size() == 2 && pair[0].is_number_unsigned() && pair[1].is_number_unsigned();
    if (!numbers) return;
    ranges.push_back({pair[0].get<std::size_t>(), pair[1].get<std::size_t>()});
    if (!range_fits(ranges.back().begin, ranges.back().end, length)) return;
  }
  ranges_ = merged(std::move(ranges));
  etag_ = *etag;
}

std::size_t PartialBlob::present() const {
  std::size_t bytes = 0;
  for (const ByteRange& range : ranges_) bytes += range.end - range.begin;
  return bytes;
}

std::vector<ByteRange> PartialBlob::gaps() const {
  std::vector<ByteRange> gaps;
  std::size_t at = 0;
  for (const ByteRange& range : ranges_) {
    if (at < range.begin) gaps.push_back({at, range.begin});
    at = range.end;
  }
  if (at < size_) gaps.push_back({at, size_});
  return gaps;
}

Result<void> PartialBlob::write(std::size_t offset, std::string_view bytes) const {
  require(range_fits(offset, offset + bytes.size(), size_), "the bytes are in the blob");
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      return Error{data_.string(), "", fmt::format("room for {} bytes", size_ - present()),
                   std::strerror(errno)};
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
  return {};
}

Result<void> PartialBlob::add(ByteRange range, std::string etag) {
  ranges_.push_back(range);
  ranges_ = merged(std::move(ranges_));
  if (!etag.empty()) etag_ = std::move(etag);
  return save();
}

Result<void> PartialBlob::forget() {
  ranges_.clear();
  etag_.clear();
  return save();
}

// Not synced: a machine that fails may leave ranges that are not there, which the blob's hash then tells. One name
// for the new file, so that a killed process leaves one at most.
Result<void> PartialBlob::save() const {
  Json ranges = Json::array();
  for (const ByteRange& range : ranges_) ranges.push_back({range.begin, range.end});
  const std::string text = Json{{"size", size_}, {"etag", etag_}, {"ranges", ranges}}.dump() + "\n";
  const std::string next = side_.string() + ".new";
  Descriptor file(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const bool saved = file.get() >= 0 &&
                     ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                     file.close() && ::rename(next.c_str(), side_.c_str()) == 0;
  if (saved) return {};
  return Error{side_.string(), "", fmt::format("room for {} bytes", text.size()), std::strerror(errno)};
}

Result<void> PartialBlob::finish() {
  require(gaps().empty(), "every byte of the blob is there");
  const bool in_place = ::fsync(file_.get()) == 0 && ::rename(data_.c_str(), blob_.c_str()) == 0;
  if (!in_place) return Error{blob_.string(), "", "a blob that can be put in place", std::strerror(errno)};
  remove_side();
  return {};
}

void PartialBlob::remove() {
  ranges_.clear();
  remove_side();
  std::error_code ignored;
  fs::remove(data_, ignored);
}

void PartialBlob::remove_side() const {
  std::error_code ignored;
  fs::remove(side_, ignored);
  fs::remove(side_.string() + ".new", ignored);
}

}  // namespace assay
