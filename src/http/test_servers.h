// Servers of tests, on 127.0.0.1: one of cpp-httplib, and a TCP server for replies that no HTTP server would send.
// Declare them before the client: they end when its connections are closed.
#pragma once

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace assay {

inline sockaddr_in loopback_address(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A listening socket on `port`, or on any port where it is 0.
inline int listen_on_loopback(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const sockaddr_in address = loopback_address(port);
  require(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "bind");
  require(::listen(socket, 64) == 0, "listen");
  return socket;
}

inline int port_of(int socket) {
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  require(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  return ntohs(address.sin_port);
}

// A port on which nobody listens.
inline int closed_port() {
  const int socket = listen_on_loopback(0);
  const int port = port_of(socket);
  ::close(socket);
  return port;
}

class HttpTestServer {
 public:
  explicit HttpTestServer(std::unique_ptr<httplib::Server> server = std::make_unique<httplib::Server>())
      : server_(std::move(server)) {
    server_->set_tcp_nodelay(true);
    server_->set_keep_alive_max_count(1 << 30);
    server_->set_keep_alive_timeout(1);
  }
  ~HttpTestServer() { stop(); }
  HttpTestServer(const HttpTestServer&) = delete;
  HttpTestServer& operator=(const HttpTestServer&) = delete;

  httplib::Server* operator->() { return server_.get(); }

  void start(int port = 0) {
    port_ = port == 0 ? server_->bind_to_any_port("127.0.0.1") : port;
    if (port != 0) require(server_->bind_to_port("127.0.0.1", port), "the port is free");
    require(port_ > 0, "a port is free");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::yield();
  }
  void stop() {
    if (!thread_.joinable()) return;
    server_->stop();
    thread_.join();
  }
  int port() const { return port_; }
  std::string url(const std::string& scheme = "http", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }

 private:
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
  int port_ = 0;
};

// One accepted connection of RawTestServer.
class RawConnection {
 public:
  explicit RawConnection(int socket) : socket_(socket) {
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~RawConnection() {
    if (socket_ >= 0) ::close(socket_);
  }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // The next request with its body (Content-Length), or "" where the peer closed.
  std::string read_request() {
    const auto more = [this] {
      char bytes[4096];
      const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
      if (got > 0) pending_.append(bytes, static_cast<std::size_t>(got));
      return got > 0;
    };
    std::size_t end = 0;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return {};
    }
    std::size_t size = end + 4;
    const std::size_t told = pending_.find("Content-Length: ");
    if (told < end) size += std::stoul(pending_.substr(told + 16));
    while (pending_.size() < size) {
      if (!more()) return {};
    }
    std::string request = pending_.substr(0, size);
    pending_.erase(0, size);
    return request;
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void reset() {  // RST in place of FIN
    const linger now = {1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(std::exchange(socket_, -1));
  }
  // Something has come.
  bool read_some() {
    char byte = 0;
    return ::recv(socket_, &byte, 1, 0) > 0;
  }
  // Until the peer closes.
  void wait_for_end() {
    while (read_some()) {
    }
  }

 private:
  int socket_;
  std::string pending_;
};

inline std::string plain_reply(std::string_view body, const std::string& more_headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_headers +
         "\r\n" + std::string(body);
}

// Each connection in a thread of its own: `serve(connection, number)`, numbers from 0.
class RawTestServer {
 public:
  explicit RawTestServer(std::function<void(RawConnection&, int)> serve, int port = 0)
      : serve_(std::move(serve)), socket_(listen_on_loopback(port)), port_(port_of(socket_)) {
    thread_ = std::thread([this] { accept_all(); });
  }
  ~RawTestServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    for (std::thread& one : connections_) one.join();
    ::close(socket_);
  }
  RawTestServer(const RawTestServer&) = delete;
  RawTestServer& operator=(const RawTestServer&) = delete;

  int port() const { return port_; }
  std::string url(const std::string& scheme = "http") const {
    return scheme + "://127.0.0.1:" + std::to_string(port_);
  }
  int accepted() const { return accepted_; }

 private:
  void accept_all() {
    while (true) {
      const int peer = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return;
      connections_.emplace_back([this, peer, number = accepted_++] {
        RawConnection connection(peer);
        serve_(connection, number);
      });
    }
  }

  std::function<void(RawConnection&, int)> serve_;
  int socket_;
  int port_;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
  std::vector<std::thread> connections_;
};

}  // namespace assay
