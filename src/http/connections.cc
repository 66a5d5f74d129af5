#include "http/connections.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

namespace assay {
namespace {

struct End {
  std::string address;
  int port = 0;
};

// Nothing in it where the socket is not connected.
End end_of(int socket, decltype(::getsockname)* ask) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof storage;
  if (ask(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return {text, ntohs(address.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
    return {text, ntohs(address.sin6_port)};
  }
  return {};
}

bool has_bytes(int socket) {
  pollfd one = {socket, POLLIN, 0};
  return ::poll(&one, 1, 0) != 0;
}

}  // namespace

void Connections::serve(CURL* handle) {
  const bool taken = curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &Connections::open) == CURLE_OK &&
                     curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this) == CURLE_OK &&
                     curl_easy_setopt(handle, CURLOPT_CLOSESOCKETFUNCTION, &Connections::close) == CURLE_OK &&
                     curl_easy_setopt(handle, CURLOPT_CLOSESOCKETDATA, this) == CURLE_OK;
  require(taken, "libcurl takes the functions of sockets");
}

bool Connections::begin_request(const std::string& peer_address, int peer_port, int local_port) {
  for (auto& [socket, requests] : requests_) {
    const End peer = end_of(socket, ::getpeername);
    if (peer.port != peer_port || peer.address != peer_address) continue;
    if (end_of(socket, ::getsockname).port == local_port) return ++requests == 1 || !has_bytes(socket);
  }
  return true;
}

curl_socket_t Connections::open(void* self, curlsocktype, curl_sockaddr* address) {
  const int socket = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (socket < 0) return CURL_SOCKET_BAD;
  static_cast<Connections*>(self)->requests_[socket] = 0;
  return socket;
}

int Connections::close(void* self, curl_socket_t socket) {
  static_cast<Connections*>(self)->requests_.erase(socket);
  return ::close(socket);
}

}  // namespace assay
