// The port of a mock server, which can also behave badly.
#pragma once

#include <httplib.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "servers/options.h"

namespace assay {

class Listener {
 public:
  // Bound to 127.0.0.1: connections wait from here on. Error: the port is taken, a certificate does not read.
  static Result<std::unique_ptr<Listener>> open(const ServerOptions& options);

  httplib::Server& http() { return *http_; }
  int port() const { return port_; }

  // Answers requests until stop().
  void run();
  // Thread-safe, as are those below. Ends every connection and wakes those who wait.
  void stop();
  // From a handler: ends every connection, its own too, and closes the port for a second.
  void pause();
  // From a handler: its connection ends with a RST, and what it answers goes nowhere.
  static void reset(const httplib::Request& request);
  // Waits for `time`, or until stop().
  void wait(std::chrono::milliseconds time);

 private:
  explicit Listener(std::unique_ptr<httplib::Server> http) : http_(std::move(http)) {}
  void close();

  std::unique_ptr<httplib::Server> http_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  bool closing_ = false;  // since run() last listened
  bool ended_ = false;    // run() is over
};

}  // namespace assay
