// A server that a setup starts itself.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "record/record.h"

namespace assay {

// The command with {model}, {quantization}, {dtype} and {port} filled in, each quoted for the shell where it must be;
// {{ is a brace. Error, with the setup's key: an unknown or unclosed {word}; one inside quotes whose value must be
// quoted.
Result<std::string> launch_command(const Setup& setup, int port);

// A TCP port of 127.0.0.1 that was free a moment ago.
Result<int> free_port();

// A running command and all its children. Ends them when it is destroyed, and when this process ends in any way,
// SIGKILL too.
class LaunchedServer {
 public:
  // Runs `command` by /bin/sh in a session of its own, so that Ctrl-C at the terminal reaches only this process;
  // stdout and stderr go to `log` (appended; a new one is the owner's alone, for nothing in it is masked). It inherits
  // the environment. At the end it has `grace_s` between SIGTERM and SIGKILL. Error: it cannot be started.
  static Result<std::unique_ptr<LaunchedServer>> start(const std::string& command,
                                                       const std::filesystem::path& log, double grace_s = 10);
  virtual ~LaunchedServer() = default;

  // Until `healthy` says yes. Error: the command ended (exit status and the log's last lines), `seconds` passed,
  // `stopped`.
  virtual Result<void> wait_until(const std::function<bool()>& healthy, double seconds,
                                  const std::function<bool()>& stopped) = 0;
  virtual bool running() = 0;
};

}  // namespace assay
