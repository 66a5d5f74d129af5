#include "engine/remote/launch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/remote/guard.h"
#include "engine/remote/masked.h"
#include "engine/remote/server_info.h"

namespace assay {
namespace {

constexpr int kLookMs = 200;                  // between two questions whether the server is healthy
constexpr std::streamoff kMostTail = 8192;    // bytes of a log that may stand in an Error
constexpr std::streamoff kMostSecret = 4096;  // bytes
constexpr std::size_t kTailLines = 10;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

std::optional<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

Error system_error(const std::string& file, const char* expected) {
  return {file, "launch", expected, std::strerror(errno)};
}

std::string words_of(int status) {
  if (WIFSIGNALED(status)) return fmt::format("it was ended by signal {}", WTERMSIG(status));
  return fmt::format("it ended with exit status {}", WEXITSTATUS(status));
}

// The last lines of what was written behind `begin`.
std::string tail(const std::filesystem::path& log, std::streamoff begin) {
  std::ifstream file(log, std::ios::binary);
  file.seekg(0, std::ios::end);
  const auto end = static_cast<std::streamoff>(file.tellg());
  if (!file || end <= begin) return "nothing";
  const bool cut = end - begin > kMostTail + kMostSecret;
  if (cut) begin = end - kMostTail - kMostSecret;
  file.seekg(begin);
  std::string text(static_cast<std::size_t>(end - begin), '\0');
  file.read(text.data(), end - begin);
  text = mask_secrets(masked(std::move(text)));
  if (cut)
    text.erase(0, static_cast<std::size_t>(kMostSecret));  // with a secret whose beginning is not there
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t from = text.size();
  for (std::size_t line = 0; line < kTailLines && from != std::string::npos && from > 0; ++line) {
    from = text.rfind('\n', from - 1);
  }
  return from == std::string::npos || from == 0 ? text : text.substr(from + 1);
}

class GuardedServer final : public LaunchedServer {
 public:
  GuardedServer(std::filesystem::path log, std::streamoff log_begin, pid_t guard, Descriptor lifeline,
                Descriptor reports)
      : log_(std::move(log)),
        log_begin_(log_begin),
        guard_(guard),
        lifeline_(std::move(lifeline)),
        reports_(std::move(reports)) {}

  ~GuardedServer() override {
    lifeline_.close();
    int status = 0;
    while (waitpid(guard_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && shell_ > 0) kill(-shell_, SIGKILL);
  }

  // Error: the shell cannot be started.
  Result<void> wait_for_start() {
    if (!read_report(-1)) return Error{log_, "launch", "a running /bin/sh", "its guard ended"};
    if (shell_ > 0) return {};
    return Error{log_, "launch", "a running /bin/sh", std::strerror(failure_)};
  }

  bool running() override {
    while (!status_ && read_report(0)) {
    }
    return !status_ && !guard_gone_;
  }

  Result<void> wait_until(const std::function<bool()>& healthy, double seconds,
                          const std::function<bool()>& stopped) override {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    for (;;) {
      if (!running()) return ended();
      if (stopped()) return Error{log_, "launch", "a server that answers", "a stop was asked for"};
      if (healthy()) {
        if (running()) return {};
        return ended();  // another server answers at this port
      }
      if (Clock::now() >= end) {
        return Error{log_, "launch", fmt::format("a server that answers within {} s", seconds),
                     "none; the last lines of its log: " + tail(log_, log_begin_)};
      }
      if (!status_) read_report(kLookMs);
    }
  }

 private:
  Error ended() const {
    const std::string how = status_ ? words_of(*status_) : std::string("its guard ended");
    return {log_, "launch", "a server that answers",
            how + "; the last lines of its log: " + tail(log_, log_begin_)};
  }

  // Whether there was one within the time; -1: waits for it.
  bool read_report(int ms) {
    pollfd waiting{reports_.get(), POLLIN, 0};
    if (guard_gone_) return false;
    int ready = 0;
    do ready = poll(&waiting, 1, ms);
    while (ready < 0 && errno == EINTR && ms < 0);
    if (ready <= 0) return false;
    GuardReport report;
    ssize_t got = 0;
    do got = read(reports_.get(), &report, sizeof report);
    while (got < 0 && errno == EINTR);
    if (got != sizeof report) {
      guard_gone_ = true;
      return false;
    }
    if (report.kind == GuardReport::started) shell_ = report.value;
    if (report.kind == GuardReport::failed) failure_ = report.value;
    if (report.kind == GuardReport::ended) status_ = report.value;
    return true;
  }

  std::filesystem::path log_;
  std::streamoff log_begin_;  // what was in the log before
  pid_t guard_;
  Descriptor lifeline_;
  Descriptor reports_;
  pid_t shell_ = 0;
  int failure_ = 0;
  std::optional<int> status_;
  bool guard_gone_ = false;
};

}  // namespace

Result<int> free_port() {
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (socket.get() < 0 || bind(socket.get(), generic, size) != 0 ||
      getsockname(socket.get(), generic, &size) != 0) {
    return Error{"", "port", "a free TCP port of 127.0.0.1", std::strerror(errno)};
  }
  return static_cast<int>(ntohs(address.sin_port));
}

Result<std::unique_ptr<LaunchedServer>> LaunchedServer::start(const std::string& command,
                                                              const std::filesystem::path& log,
                                                              double grace_s) {
  const Descriptor file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  struct stat about = {};
  if (file.get() < 0 || fstat(file.get(), &about) != 0) return system_error(log, "a log file");
  auto lifeline = make_pipe();
  auto reports = make_pipe();
  if (!lifeline || !reports) return system_error(log, "a pipe");
  const pid_t guard = fork();
  if (guard < 0) return system_error(log, "a process");
  if (guard == 0) {
    run_guard(command.c_str(), file.get(), lifeline->read.get(), reports->write.get(),
              static_cast<int>(grace_s * 1000));
  }
  reports->write.close();
  auto server = std::make_unique<GuardedServer>(log, static_cast<std::streamoff>(about.st_size), guard,
                                                std::move(lifeline->write), std::move(reports->read));
  if (auto started = server->wait_for_start(); !started) return started.error();
  return std::unique_ptr<LaunchedServer>(std::move(server));
}

}  // namespace assay
