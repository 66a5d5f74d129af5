#include "experiment/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace assay {
namespace {

// An unnamed file in memory that takes one stream of the child: unlike two pipes it cannot block it.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("assay", MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

  std::string content() const {
    std::string text;
    char buffer[65536];
    off_t offset = 0;
    while (true) {
      const ssize_t count = ::pread(fd_, buffer, sizeof buffer, offset);
      if (count <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(count));
      offset += count;
    }
  }

 private:
  int fd_;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

Result<std::string> run_program(const std::vector<std::string>& arguments) {
  require(!arguments.empty(), "a program has a name");
  const std::string& name = arguments[0];
  const MemoryFile out;
  const MemoryFile err;
  if (out.get() < 0 || err.get() < 0) return Error{name, "", "memory for its output", std::strerror(errno)};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failure = ::posix_spawnp(&child, name.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return Error{name, "", "a program on PATH", std::strerror(failure)};
  const int status = wait_for(child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return out.content();
  const std::string how = WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                                            : "signal " + std::to_string(WTERMSIG(status));
  return Error{name, arguments.back(), "success", how + ": " + first_line(err.content())};
}

}  // namespace assay
