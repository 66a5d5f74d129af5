// One exchange on libcurl's side: the handle with its options, and what has come so far.
#pragma once

#include <curl/curl.h>

#include <exception>
#include <functional>
#include <memory>

#include "http/client.h"
#include "http/connections.h"
#include "http/request_check.h"
#include "http/spare_bodies.h"

namespace assay {

class RunningExchange {
 public:
  // `request` was checked; `connections` must outlive the libcurl handle that runs this one, `spares` this one.
  // Throws Fault where libcurl refuses an option.
  RunningExchange(HttpRequest request, const UrlParts& url, Connections& connections, SpareBodies& spares,
                  std::function<void(HttpReply)> done);
  RunningExchange(const RunningExchange&) = delete;
  RunningExchange& operator=(const RunningExchange&) = delete;

  CURL* handle() const { return handle_.get(); }

  // From now on no byte goes to the sink; libcurl ends the exchange when it next has one.
  void abandon() { abandoned_ = true; }
  bool abandoned() const { return abandoned_; }

  // Whether it ended because its connection had bytes waiting, before anything was sent: it must be started again.
  bool take_stale() { return std::exchange(stale_, false); }

  // When the stall limit is reached if no byte comes, in seconds of the steady clock; infinity without such a limit.
  double stalls_at(double now);

  // The reply, once: after libcurl has ended with `code`.
  HttpReply take_reply(CURLcode code);
  HttpReply take_stalled();

  std::function<void(HttpReply)> done;
  std::exception_ptr thrown = nullptr;  // by the sink

 private:
  static std::size_t receive(char* bytes, std::size_t size, std::size_t count, void* self);
  static int before_request(void* self, char* peer, char*, int peer_port, int local_port);
  bool append(std::string_view piece);
  void make_room(std::size_t more);
  void set_headers();
  void set_limits();
  void set_tls();
  HttpReply take_reply_as(Transport transport, std::string trouble);

  HttpRequest request_;
  Connections& connections_;
  SpareBodies& spares_;
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers_;
  char words_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<CURL, void (*)(CURL*)> handle_;  // behind what it points to
  std::string body_;
  std::size_t received_ = 0;
  std::optional<Transport> refused_;  // why append() said no
  bool abandoned_ = false;
  bool stale_ = false;
  curl_off_t moved_ = -1;  // bytes both ways when a change was last seen
  double moved_at_ = 0;
};

// What libcurl's `code` means here. `words` is its error text; `sent` whether any byte of the request had left.
Transport transport_of(CURLcode code, std::string_view words, bool sent);

}  // namespace assay
