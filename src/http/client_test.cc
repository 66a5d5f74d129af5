#include "http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <semaphore>

#include "http/test_servers.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.timeout_s = 20;
  return request;
}

HttpRequest post(const std::string& url, std::string body) {
  HttpRequest request = get(url);
  request.method = "POST";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  return request;
}

TEST(Client, SendsWhatItIsToldAndNothingElse) {
  std::string seen;
  RawTestServer server([&](RawConnection& connection, int) {
    seen = connection.read_request();
    connection.write(plain_reply("yes", "X-Word: A b\r\nX-Empty:\r\n"));
    connection.wait_for_end();
  });
  HttpClient client;
  const HttpReply reply = client.fetch(post(server.url() + "/v1/x?y=1", std::string(3000, 'b')));
  EXPECT_EQ(reply.transport, Transport::ok) << reply.trouble;
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "yes");
  EXPECT_GE(reply.body.capacity(), reply.body.size() + kBodyPadding);
  EXPECT_EQ(header_of(reply, "x-word"), "A b");
  EXPECT_EQ(header_of(reply, "x-other"), "");
  EXPECT_EQ(reply.url, server.url() + "/v1/x?y=1");
  EXPECT_TRUE(seen.starts_with("POST /v1/x?y=1 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_TRUE(seen.ends_with(std::string(3000, 'b')));
  EXPECT_THAT(seen, Not(HasSubstr("Expect")));
  EXPECT_THAT(seen, Not(HasSubstr("Authorization")));
}

TEST(Client, KeepsConnectionsAlive) {
  RawTestServer server([](RawConnection& connection, int number) {
    while (!connection.read_request().empty()) connection.write(plain_reply(std::to_string(number)));
  });
  HttpClient client;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.fetch(get(server.url())).body, "0");
  EXPECT_EQ(server.accepted(), 1);
}

TEST(Client, ManyAtOnceEndInTheOrderOfTheirReplies) {
  std::counting_semaphore<8> go(0);
  HttpTestServer server;
  server->Get("/slow", [&](const auto&, auto& reply) {
    go.acquire();
    reply.set_content("slow", "text/plain");
  });
  server->Get("/fast", [](const auto&, auto& reply) { reply.set_content("fast", "text/plain"); });
  server.start();
  HttpClient client;
  std::vector<std::string> ended;
  const auto note = [&](const HttpReply& reply) {
    ended.push_back(reply.body);
    if (reply.body == "fast") go.release();
  };
  client.start(get(server.url() + "/slow"), note);
  client.start(get(server.url() + "/slow"), note);
  client.start(get(server.url() + "/fast"), [&](const HttpReply& reply) {
    note(reply);
    client.start(get(server.url() + "/fast"), note);  // from a callback
  });
  EXPECT_EQ(client.running(), 3);
  while (client.running() > 0) client.wait(1);
  EXPECT_THAT(ended, testing::UnorderedElementsAre("fast", "slow", "fast", "slow"));
  EXPECT_EQ(ended.front(), "fast");
}

TEST(Client, NobodyThere) {
  HttpClient client;
  const HttpReply reply = client.fetch(get("http://127.0.0.1:" + std::to_string(closed_port()) + "/"));
  EXPECT_EQ(reply.transport, Transport::unreachable);
  EXPECT_EQ(reply.status, 0);
  EXPECT_THAT(reply.trouble, HasSubstr("connect"));
}

TEST(Client, ResetCutAndGarbage) {
  RawTestServer server([](RawConnection& connection, int) {
    const std::string request = connection.read_request();
    if (request.starts_with("GET /reset")) return connection.reset();
    if (request.starts_with("GET /nothing")) return;
    if (request.starts_with("GET /cut"))
      return connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    if (request.starts_with("GET /chunk")) {
      return connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    }
    connection.write("no HTTP at all\r\n\r\n");
  });
  HttpClient client;
  EXPECT_EQ(client.fetch(get(server.url() + "/reset")).transport, Transport::reset);
  EXPECT_EQ(client.fetch(get(server.url() + "/nothing")).transport, Transport::reset);
  EXPECT_EQ(client.fetch(get(server.url() + "/cut")).transport, Transport::cut);
  EXPECT_EQ(client.fetch(get(server.url() + "/chunk")).transport, Transport::cut);
  EXPECT_EQ(client.fetch(get(server.url() + "/garbage")).transport, Transport::other);
}

TEST(Client, TimeLimits) {
  RawTestServer server([](RawConnection& connection, int) {
    const std::string request = connection.read_request();
    if (request.starts_with("GET /stall"))
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    connection.wait_for_end();
  });
  HttpClient client;
  HttpRequest slow = get(server.url() + "/slow");
  slow.timeout_s = 0.1;
  EXPECT_EQ(client.fetch(slow).transport, Transport::timed_out);
  HttpRequest stall = get(server.url() + "/stall");
  stall.stall_timeout_s = 0.1;
  const HttpReply reply = client.fetch(stall);
  EXPECT_EQ(reply.transport, Transport::timed_out);
  EXPECT_EQ(reply.trouble, "no byte for 100 ms");
  EXPECT_LT(reply.seconds, 15);
}

TEST(Client, ASecondReplyToOneRequestAnswersNoOther) {
  std::binary_semaphore sent(0);
  std::binary_semaphore first_read(0);
  RawTestServer server([&](RawConnection& connection, int number) {
    connection.read_request();
    if (number == 0) {
      connection.write(plain_reply("first") + plain_reply("stale"));  // in one piece
    } else if (number == 1) {
      connection.write(plain_reply("second"));
      first_read.acquire();
      connection.write(plain_reply("stale"));  // after the first was read
      sent.release();
    } else {
      connection.write(plain_reply("third"));
    }
    connection.wait_for_end();
  });
  HttpClient client;
  EXPECT_EQ(client.fetch(get(server.url())).body, "first");
  EXPECT_EQ(client.fetch(get(server.url())).body, "second");
  first_read.release();
  sent.acquire();
  EXPECT_EQ(client.fetch(get(server.url())).body, "third");
  EXPECT_EQ(server.accepted(), 3);
}

TEST(Client, BodiesOfAnySizeArePadded) {
  HttpTestServer server;
  server->Get(R"(/(\d+))", [](const auto& request, auto& reply) {
    reply.set_content(std::string(std::stoul(request.matches[1]), 'x'), "text/plain");
  });
  server->Get(R"(/chunked/(\d+))", [](const auto& request, auto& reply) {
    const std::size_t size = std::stoul(request.matches[1]);
    reply.set_chunked_content_provider("text/plain", [size](std::size_t, httplib::DataSink& sink) {
      const std::string all(size, 'y');
      sink.write(all.data(), all.size());
      sink.done();
      return true;
    });
  });
  server.start();
  HttpClient client;
  for (const std::string path : {"/", "/chunked/"}) {
    for (const std::size_t size : {0, 1, 15, 16, 17, 100, 16384, 262144, 3000000}) {
      const HttpReply reply = client.fetch(get(server.url() + path + std::to_string(size)));
      EXPECT_EQ(reply.transport, Transport::ok);
      EXPECT_EQ(reply.body.size(), size);
      EXPECT_GE(reply.body.capacity(), size + kBodyPadding);
    }
  }
}

TEST(Client, AReusedBodyHoldsOnlyTheNewReply) {
  HttpTestServer server;
  server->Get("/long",
              [](const auto&, auto& reply) { reply.set_content(std::string(5000, 'x'), "text/plain"); });
  server->Get("/short", [](const auto&, auto& reply) { reply.set_content("short", "text/plain"); });
  server.start();
  HttpClient client;
  HttpReply reply = client.fetch(get(server.url() + "/long"));
  const char* const memory = reply.body.data();
  client.reuse(std::move(reply.body));
  reply = client.fetch(get(server.url() + "/short"));
  EXPECT_EQ(reply.body, "short");
  EXPECT_EQ(reply.body.data(), memory);
}

TEST(Client, BodyLimitAndSink) {
  HttpTestServer server;
  server->Get("/big",
              [](const auto&, auto& reply) { reply.set_content(std::string(1 << 20, 'x'), "text/plain"); });
  server->Get("/no", [](const auto&, auto& reply) {
    reply.status = 404;
    reply.set_content("not here", "text/plain");
  });
  server.start();
  HttpClient client;
  HttpRequest limited = get(server.url() + "/big");
  limited.most_bytes = 1 << 20;
  EXPECT_EQ(client.fetch(limited).transport, Transport::ok);
  limited.most_bytes = (1 << 20) - 1;
  EXPECT_EQ(client.fetch(limited).transport, Transport::too_long);

  std::size_t taken = 0;
  HttpRequest sunk = get(server.url() + "/big");
  sunk.sink = [&](std::string_view piece) { return taken += piece.size(), true; };
  const HttpReply whole = client.fetch(sunk);
  EXPECT_EQ(whole.transport, Transport::ok);
  EXPECT_EQ(taken, std::size_t{1} << 20);
  EXPECT_EQ(whole.body, "");
  EXPECT_LT(whole.body.capacity(), 1000u);
  HttpRequest head = get(server.url() + "/big");
  head.method = "HEAD";
  const HttpReply only_head = client.fetch(head);
  EXPECT_EQ(header_of(only_head, "content-length"), "1048576");
  EXPECT_EQ(only_head.body, "");
  EXPECT_LT(only_head.body.capacity(), 1000u);
  sunk.sink = [](std::string_view) { return false; };
  EXPECT_EQ(client.fetch(sunk).transport, Transport::stopped);
  sunk.sink = [](std::string_view) -> bool { throw Fault("of the sink"); };
  EXPECT_THROW(client.fetch(sunk), Fault);
  EXPECT_EQ(client.running(), 0);
  sunk.url = server.url() + "/no";
  EXPECT_EQ(client.fetch(sunk).body, "not here");  // status 404: not to the sink
}

TEST(Client, CancelledIsNeverDone) {
  std::counting_semaphore<8> go(0);
  HttpTestServer server;
  server->Get("/wait", [&](const auto&, auto& reply) {
    go.acquire();
    reply.set_content("late", "text/plain");
  });
  server->Get("/now", [](const auto&, auto& reply) { reply.set_content("now", "text/plain"); });
  server.start();
  HttpClient client;
  bool done = false;
  const auto never = [&](const HttpReply&) { done = true; };
  const auto waiting = client.start(get(server.url() + "/wait"), never);
  client.cancel(client.start(get(server.url() + "/now"), never));
  HttpRequest sunk = get(server.url() + "/now");
  HttpClient::Exchange itself = 0;
  sunk.sink = [&](std::string_view) {
    client.cancel(waiting);
    client.cancel(itself);
    return true;
  };
  itself = client.start(sunk, never);
  while (client.running() > 0) client.wait(1);
  client.cancel(itself);  // nothing happens
  EXPECT_EQ(client.fetch(get(server.url() + "/now")).body, "now");
  EXPECT_FALSE(done);
  go.release(8);
}

TEST(Client, RefusesWhatMayNotBeSent) {
  HttpClient client;
  HttpRequest request = get("http://user:hunter2@127.0.0.1/");
  HttpReply reply = client.fetch(request);
  EXPECT_EQ(reply.transport, Transport::other);
  EXPECT_THAT(reply.trouble, HasSubstr("user and password"));
  EXPECT_THAT(reply.trouble + reply.url, Not(HasSubstr("hunter2")));
  for (const char* url :
       {"", "127.0.0.1/x", "file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://a b/"}) {
    reply = client.fetch(get(url));
    EXPECT_EQ(reply.transport, Transport::other) << url;
    EXPECT_THAT(reply.trouble, HasSubstr("not sent")) << url;
  }
  request = get("http://127.0.0.1:1/");
  request.headers = {{"X-A", "b\r\nX-Injected: c"}};
  EXPECT_THAT(client.fetch(request).trouble, HasSubstr("X-A: expected a value without control characters"));
  request.headers = {{"X-A\r\nX-Injected", "c"}};
  EXPECT_THAT(client.fetch(request).trouble, HasSubstr("HTTP's token characters"));
  request.headers = {{"authorization", "Bearer hunter2"}};
  EXPECT_THAT(client.fetch(request).trouble, HasSubstr("as a secret"));
  request.headers = {};
  request.token = Secret("hunter2\nX: y");
  EXPECT_THAT(client.fetch(request).trouble, HasSubstr("token"));
  request.token = {};
  request.method = "DELETE";
  EXPECT_THAT(client.fetch(request).trouble, HasSubstr("GET, HEAD or POST"));
}

TEST(Client, LoopbackIsReachedWithoutAProxy) {
  HttpTestServer server;
  server->Get("/", [](const auto&, auto& reply) { reply.set_content("direct", "text/plain"); });
  server.start();
  ::setenv("http_proxy", ("http://127.0.0.1:" + std::to_string(closed_port())).c_str(), 1);
  HttpClient client;
  EXPECT_EQ(client.fetch(get(server.url() + "/")).body, "direct");
  EXPECT_EQ(client.fetch(get("http://example.invalid/")).transport, Transport::unreachable);
  ::unsetenv("http_proxy");
}

}  // namespace
}  // namespace assay
