// A server in a process of its own, so that what the client costs can be told from what the server costs.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/error.h"

namespace assay {

class ForkedServer {
 public:
  // `serve` runs in the child: it writes the port, an int, to the descriptor it is given, and serves until it is killed.
  template <class Serve>
  explicit ForkedServer(const Serve& serve) {
    int pipe[2];
    require(::pipe(pipe) == 0, "pipe");
    process_ = ::fork();
    require(process_ >= 0, "fork");
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(pipe[1]);
      ::_exit(0);
    }
    int port = 0;
    require(::read(pipe[0], &port, sizeof port) == sizeof port, "the server tells its port");
    ::close(pipe[0]);
    ::close(pipe[1]);
    url_ = "http://127.0.0.1:" + std::to_string(port);
  }
  ~ForkedServer() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ForkedServer(const ForkedServer&) = delete;
  ForkedServer& operator=(const ForkedServer&) = delete;

  const std::string& url() const { return url_; }

 private:
  pid_t process_ = 0;
  std::string url_;
};

// Of RUSAGE_SELF (all threads) or RUSAGE_THREAD, user and system.
inline double cpu_seconds(int who) {
  rusage usage = {};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace assay
