// Files: read-only mappings, whole reads, and writes that either happen completely or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace assay {

// A file mapped read-only. Views into bytes() live as long as the mapping. Move-only, thread-compatible.
class MappedFile {
 public:
  // Error: the file cannot be opened, is not a regular file, or cannot be mapped. An empty file maps to no
  // bytes.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  const std::byte* data_;
  std::size_t size_;
};

// A new file that is written in pieces: in any order, and by several threads at once. Move-only; not synced.
class PieceFile {
 public:
  // Error: there is a file of this name, or none can be made.
  static Result<PieceFile> create(const std::filesystem::path& path);

  PieceFile(PieceFile&& other) noexcept;
  PieceFile& operator=(PieceFile&& other) noexcept;
  ~PieceFile();

  Result<void> write(std::size_t offset, std::span<const std::byte> bytes) const;
  // Error: a disk that says only now that it is full.
  Result<void> close();

 private:
  PieceFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::filesystem::path path_;
  int fd_;
};

Result<std::string> read_text(const std::filesystem::path& path);

// Writes to a temporary file in the same folder, syncs it, and renames it over `path`; creates missing parent
// folders. On an error (a full disk among them) `path` is as it was and the temporary file is gone.
Result<void> write_atomically(const std::filesystem::path& path, std::string_view content);

// Appends `line` and a newline, then syncs. On an error the file is cut back to its former length.
Result<void> append_line(const std::filesystem::path& path, std::string_view line);

}  // namespace assay
