#include "servers/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace assay {
namespace {

constexpr const char* kHost = "127.0.0.1";
constexpr std::size_t kThreads = 64;  // httplib keeps one for each open connection
constexpr int kMostDescriptors = 4096;

void set_options(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

int port_of(const sockaddr_in& address) { return ntohs(address.sin_port); }

// Calls visit(descriptor, port of the peer) for each connection that was accepted at `port`. httplib does not tell
// its sockets.
template <class Visit>
void for_each_connection(int port, const Visit& visit) {
  for (int fd = 3; fd < kMostDescriptors; ++fd) {
    sockaddr_in here{};
    sockaddr_in peer{};
    socklen_t here_size = sizeof here;
    socklen_t peer_size = sizeof peer;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&here), &here_size) != 0) continue;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) continue;
    if (here.sin_family == AF_INET && port_of(here) == port) visit(fd, port_of(peer));
  }
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(const ServerOptions& options) {
  std::unique_ptr<httplib::Server> http;
  if (options.certificate.empty()) {
    http = std::make_unique<httplib::Server>();
  } else {
    http = std::make_unique<httplib::SSLServer>(options.certificate.c_str(), options.key.c_str());
  }
  if (!http->is_valid()) return Error{options.certificate, "--tls", "a certificate and its key", "none"};
  http->set_socket_options(set_options);
  http->set_tcp_nodelay(true);
  http->set_keep_alive_max_count(1'000'000'000);
  http->set_keep_alive_timeout(600);
  http->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  std::unique_ptr<Listener> listener(new Listener(std::move(http)));
  if (options.port == 0) {
    listener->port_ = listener->http_->bind_to_any_port(kHost);
  } else if (listener->http_->bind_to_port(kHost, options.port)) {
    listener->port_ = options.port;
  }
  if (listener->port_ > 0) return listener;
  return Error{kHost, "--port", "a port that is free", std::to_string(options.port)};
}

void Listener::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    closing_ = false;
    lock.unlock();
    http_->listen_after_bind();
    lock.lock();
    changed_.wait_for(lock, std::chrono::seconds(1), [this] { return stopped_; });
    if (!stopped_) require(http_->bind_to_port(kHost, port_), "the port is still free");
  }
  ended_ = true;
  changed_.notify_all();
}

// With mutex_ held.
void Listener::close() {
  if (!closing_ && http_->is_running()) {
    closing_ = true;
    http_->stop();
  }
  for_each_connection(port_, [](int fd, int) { shutdown(fd, SHUT_RDWR); });
}

void Listener::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
  // run() may be on its way to listen: again until it is over.
  while (!ended_) {
    close();
    changed_.wait_for(lock, std::chrono::milliseconds(10), [this] { return ended_; });
  }
}

void Listener::pause() {
  const std::lock_guard lock(mutex_);
  close();
}

void Listener::reset(const httplib::Request& request) {
  for_each_connection(request.local_port, [&](int fd, int peer) {
    if (peer != request.remote_port) return;
    const linger at_once{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nowhere, fd);  // closes the connection; httplib still owns the descriptor
    ::close(nowhere);
  });
}

void Listener::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopped_; });
}

}  // namespace assay
