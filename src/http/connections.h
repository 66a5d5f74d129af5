// The sockets of a client. Exists for one rule: a kept-alive connection on which bytes wait before a request is sent
// is not used again, because those bytes are no answer to it. libcurl 7.88 only asks whether such a connection is
// closed.
#pragma once

#include <curl/curl.h>

#include <map>
#include <string>

namespace assay {

class Connections {
 public:
  // Has the handle open and close its sockets here; they must not outlive this.
  void serve(CURL* handle);

  // A request is about to go out by the connection between these. False: it is not its first, and bytes wait there.
  bool begin_request(const std::string& peer_address, int peer_port, int local_port);

 private:
  static curl_socket_t open(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int close(void* self, curl_socket_t socket);

  std::map<curl_socket_t, int> requests_;  // sent by each open socket
};

}  // namespace assay
