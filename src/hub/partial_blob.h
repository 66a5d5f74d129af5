// A blob that is being downloaded: {blob}.assay.incomplete has the bytes at their places, {blob}.assay.ranges says
// which of them are there. (Plain {blob}.incomplete is huggingface_hub's, which takes its length for what is there.)
// Both stay when a download stops. Held by one at a time: the holder of the blob's lock. Move-only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"

namespace assay {

struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;  // behind the last byte
  bool operator==(const ByteRange&) const = default;
};

class PartialBlob {
 public:
  // Goes on with what is there; a side file that is missing, malformed or of another size counts as nothing. Error:
  // no file can be made.
  static Result<PartialBlob> open(std::filesystem::path blob, std::size_t size);

  // That a partial download of `blob` takes up already.
  static std::size_t bytes_on_disk(const std::filesystem::path& blob);

  std::size_t size() const { return size_; }
  std::size_t present() const;                       // bytes
  std::vector<ByteRange> gaps() const;               // ascending, disjoint, not empty
  const std::string& etag() const { return etag_; }  // of the server that sent the ranges; "": not known
  const std::filesystem::path& path() const { return data_; }

  // Does not count as present before add(). Error: no room.
  Result<void> write(std::size_t offset, std::string_view bytes) const;
  // `range` was written, from a file with this etag; kept in the side file.
  Result<void> add(ByteRange range, std::string etag);
  Result<void> forget();  // nothing is present

  // After all is present: syncs the bytes and puts them in the blob's place.
  Result<void> finish();
  void remove();  // both files

 private:
  PartialBlob(std::filesystem::path blob, std::size_t size, Descriptor file);
  void read_ranges();
  Result<void> save() const;
  void remove_side() const;

  std::filesystem::path blob_;
  std::filesystem::path data_;
  std::filesystem::path side_;
  std::size_t size_;
  Descriptor file_;
  std::string etag_;
  std::vector<ByteRange> ranges_;  // ascending, disjoint, not touching
};

}  // namespace assay
