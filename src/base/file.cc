#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/descriptor.h"

namespace assay {
namespace {

Error system_error(const std::filesystem::path& path, std::string expected) {
  return {.file = path.string(), .key = "", .expected = std::move(expected), .found = std::strerror(errno)};
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return system_error(path, "a readable file");
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) return system_error(path, "a readable file");
  if (!S_ISREG(status.st_mode)) return Error{path.string(), "", "a regular file", "something else"};
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return MappedFile(path, nullptr, 0);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return system_error(path, "a file that can be mapped");
  return MappedFile(path, static_cast<const std::byte*>(data), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<PieceFile> PieceFile::create(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return system_error(path, "a new file");
  return PieceFile(path, fd);
}

PieceFile::PieceFile(PieceFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

PieceFile& PieceFile::operator=(PieceFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

PieceFile::~PieceFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> PieceFile::write(std::size_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error(path_, "room to write " + std::to_string(bytes.size()) + " bytes");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
  return {};
}

Result<void> PieceFile::close() {
  if (::close(std::exchange(fd_, -1)) != 0) return system_error(path_, "room to write");
  return {};
}

Result<std::string> read_text(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  const auto bytes = file->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<void> write_atomically(const std::filesystem::path& path, std::string_view content) {
  std::error_code created;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), created);
  if (created) return Error{path.string(), "", "a folder that can be made", created.message()};
  static std::atomic<unsigned> count = 0;  // two threads may write one path
  const std::filesystem::path temporary =
      path.string() + ".tmp" + std::to_string(::getpid()) + "." + std::to_string(count++);
  Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) return system_error(path, "a writable file");
  const bool written = write_all(fd.get(), content) && ::fsync(fd.get()) == 0 && fd.close() &&
                       ::rename(temporary.c_str(), path.c_str()) == 0;
  if (written) return {};
  const Error error = system_error(path, "room to write " + std::to_string(content.size()) + " bytes");
  ::unlink(temporary.c_str());
  return error;
}

Result<void> append_line(const std::filesystem::path& path, std::string_view line) {
  const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (fd.get() < 0) return system_error(path, "a writable file");
  const off_t before = ::lseek(fd.get(), 0, SEEK_END);
  if (write_all(fd.get(), std::string(line) + '\n') && ::fsync(fd.get()) == 0) return {};
  const Error error = system_error(path, "room to append " + std::to_string(line.size() + 1) + " bytes");
  if (::ftruncate(fd.get(), before) != 0) return system_error(path, "a file that can be cut back");
  return error;
}

}  // namespace assay
