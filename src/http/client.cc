#include "http/client.h"

#include <curl/curl.h>

#include <cmath>
#include <deque>
#include <map>
#include <vector>

#include "http/exchange.h"
#include "http/steady.h"

namespace assay {
namespace {

void initialise_libcurl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  require(code == CURLE_OK, "libcurl can be initialised");
}

HttpReply refused_reply(const Error& error) {
  HttpReply reply;
  reply.trouble = "not sent: " + error.message();
  reply.body.reserve(kBodyPadding);
  return reply;
}

}  // namespace

std::string_view header_of(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return {};
}

// libcurl's functions of the multi handle may not be called inside its callbacks, where a sink may call start and
// cancel: those are kept for the end of `perform`.
struct HttpClient::State {
  struct Finished {
    Exchange exchange;
    std::function<void(HttpReply)> done;
    HttpReply reply;
  };

  SpareBodies spares;
  Connections connections;  // before `multi`, which closes sockets when it ends
  std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi{curl_multi_init(), curl_multi_cleanup};
  std::map<Exchange, std::unique_ptr<RunningExchange>> running;
  std::vector<Exchange> to_add;
  std::deque<Finished> finished;  // not handed over yet
  Exchange last = 0;
  bool performing = false;

  ~State() {
    while (!running.empty()) remove(running.begin());
  }

  void remove(std::map<Exchange, std::unique_ptr<RunningExchange>>::iterator found) {
    curl_multi_remove_handle(multi.get(), found->second->handle());
    running.erase(found);
  }

  void perform();
  void collect();
  double end_stalled(double now);  // when the next one stalls
  bool deliver();
  std::exception_ptr remove_abandoned();
};

HttpClient::HttpClient() {
  initialise_libcurl();
  state_ = std::make_unique<State>();
  require(state_->multi != nullptr, "libcurl makes a multi handle");
}

HttpClient::~HttpClient() = default;

HttpClient::Exchange HttpClient::start(HttpRequest request, std::function<void(HttpReply)> done) {
  const Exchange exchange = ++state_->last;
  const auto url = check_request(request);
  if (!url) {
    state_->finished.push_back({exchange, std::move(done), refused_reply(url.error())});
    return exchange;
  }
  auto running = std::make_unique<RunningExchange>(std::move(request), *url, state_->connections,
                                                   state_->spares, std::move(done));
  require(curl_easy_setopt(running->handle(), CURLOPT_PRIVATE, running.get()) == CURLE_OK,
          "libcurl takes a pointer");
  state_->running.emplace(exchange, std::move(running));
  state_->to_add.push_back(exchange);
  return exchange;
}

void HttpClient::reuse(std::string body) { state_->spares.put(std::move(body)); }

void HttpClient::cancel(Exchange exchange) {
  std::erase_if(state_->finished, [&](const auto& one) { return one.exchange == exchange; });
  const auto found = state_->running.find(exchange);
  if (found == state_->running.end()) return;
  if (state_->performing) {
    found->second->abandon();
  } else {
    state_->remove(found);
  }
}

Index HttpClient::running() const {
  auto count = static_cast<Index>(state_->finished.size());
  for (const auto& [exchange, running] : state_->running) count += running->abandoned() ? 0 : 1;
  return count;
}

void HttpClient::State::perform() {
  for (const Exchange exchange : to_add) {
    const auto found = running.find(exchange);
    if (found == running.end()) continue;  // cancelled
    require(curl_multi_add_handle(multi.get(), found->second->handle()) == CURLM_OK,
            "libcurl takes a handle");
  }
  to_add.clear();
  int active = 0;
  performing = true;
  const CURLMcode code = curl_multi_perform(multi.get(), &active);
  performing = false;
  require(code == CURLM_OK, "libcurl moves bytes");
  if (const std::exception_ptr thrown = remove_abandoned()) std::rethrow_exception(thrown);
}

std::exception_ptr HttpClient::State::remove_abandoned() {
  std::exception_ptr thrown = nullptr;
  for (auto at = running.begin(); at != running.end();) {
    const auto next = std::next(at);
    if (at->second->thrown != nullptr) thrown = at->second->thrown;
    if (at->second->abandoned() || at->second->thrown != nullptr) remove(at);
    at = next;
  }
  return thrown;
}

void HttpClient::State::collect() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    for (auto at = running.begin(); at != running.end(); ++at) {
      if (at->second->handle() != message->easy_handle) continue;
      if (at->second->take_stale()) {
        curl_multi_remove_handle(multi.get(), at->second->handle());
        to_add.push_back(at->first);
      } else {
        finished.push_back({at->first, std::move(at->second->done), at->second->take_reply(code)});
        remove(at);  // frees what `message` points to
      }
      break;
    }
  }
}

double HttpClient::State::end_stalled(double now) {
  double next = std::numeric_limits<double>::infinity();
  for (auto at = running.begin(); at != running.end();) {
    const auto after = std::next(at);
    const double stalls_at = at->second->stalls_at(now);
    if (stalls_at > now) {
      next = std::min(next, stalls_at);
    } else {
      finished.push_back({at->first, std::move(at->second->done), at->second->take_stalled()});
      remove(at);
    }
    at = after;
  }
  return next;
}

// Each is taken out first: its callback may start, cancel and throw.
bool HttpClient::State::deliver() {
  const std::size_t count = finished.size();
  for (std::size_t i = 0; i < count && !finished.empty(); ++i) {
    Finished next = std::move(finished.front());
    finished.pop_front();
    next.done(std::move(next.reply));
  }
  return count > 0;
}

void HttpClient::wait(double seconds) {
  require(!state_->performing, "a sink does not wait");
  const double end = steady_now_s() + seconds;
  while (true) {
    state_->perform();
    state_->collect();
    const double now = steady_now_s();
    const double wake = std::min(end, state_->end_stalled(now));
    if (state_->deliver() || now >= end) return;
    if (!state_->to_add.empty()) continue;
    const int pause_ms = static_cast<int>(std::ceil(std::min(wake - now, 1e3) * 1000));
    require(curl_multi_poll(state_->multi.get(), nullptr, 0, pause_ms, nullptr) == CURLM_OK,
            "libcurl waits for bytes");
  }
}

HttpReply HttpClient::fetch(HttpRequest request) {
  std::optional<HttpReply> reply;
  const Exchange exchange = start(std::move(request), [&](HttpReply came) { reply = std::move(came); });
  try {
    while (!reply) wait(1);
  } catch (...) {
    cancel(exchange);  // its callback holds `reply`
    throw;
  }
  return std::move(*reply);
}

}  // namespace assay
