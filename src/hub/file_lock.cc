#include "hub/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace assay {
namespace {

// Another may have removed the file after it gave the lock back: then a third can lock a new one of this name.
bool is_still_at(const Descriptor& file, const std::filesystem::path& path) {
  struct stat held = {};
  struct stat named = {};
  return ::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

}  // namespace

Result<std::optional<FileLock>> FileLock::try_take(const std::filesystem::path& path) {
  std::error_code problem;
  std::filesystem::create_directories(path.parent_path(), problem);
  if (problem) return Error{path.string(), "", "a folder that can be made", problem.message()};
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return Error{path.string(), "", "a file that can be locked", std::strerror(errno)};
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::optional<FileLock>();
    if (errno != EINTR) return Error{path.string(), "", "a file that can be locked", std::strerror(errno)};
  }
  if (!is_still_at(file, path)) return std::optional<FileLock>();
  return std::optional(FileLock(std::move(file)));
}

}  // namespace assay
