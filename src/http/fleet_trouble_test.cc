#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <semaphore>

#include "http/test_jobs.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A server whose first connections misbehave, each in the way `fault` does it.
void expect_recovery(const std::function<void(RawConnection&)>& fault, double timeout_s = 30) {
  RawTestServer server([&](RawConnection& connection, int number) {
    for (std::string request; !(request = connection.read_request()).empty();) {
      if (number < 2 && request.starts_with("POST")) return fault(connection);
      connection.write(plain_reply("done " + request.substr(request.find("\r\n\r\n") + 4)));
    }
  });
  HttpClient client;
  TestJobs jobs(10);
  const auto request = jobs.work.request;
  jobs.work.request = [&](Index job) {
    HttpRequest made = request(job);
    made.timeout_s = timeout_s;
    return made;
  };
  Fleet fleet(client, quick({server.url()}));
  const auto ended = fleet.run(jobs.work);
  ASSERT_TRUE(ended) << ended.error().message();
  jobs.expect_each_taken_once();
  EXPECT_EQ(fleet.endpoints()[0].troubles, 2);
  EXPECT_EQ(jobs.log.size(), 2u);
}

TEST(Fleet, RecoversFromBrokenReplies) {
  expect_recovery([](RawConnection& connection) { connection.reset(); });
  expect_recovery([](RawConnection&) {});  // closed without a word
  expect_recovery([](RawConnection& connection) {
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndone");
  });
  expect_recovery([](RawConnection& connection) { connection.write("what?\r\n\r\n"); });
  expect_recovery(
      [](RawConnection& connection) { connection.write(plain_reply("done 77")); });  // refused by take
  expect_recovery([](RawConnection& connection) {
    connection.write("HTTP/1.1 500 No\r\nContent-Length: 17\r\n\r\n" + std::string(kTestToken));
  });
}

TEST(Fleet, RecoversFromASlowReply) {
  expect_recovery([](RawConnection& connection) { connection.wait_for_end(); }, 0.3);
}

TEST(Fleet, ADuplicatedReplyIsNotTaken) {
  RawTestServer server([](RawConnection& connection, int) {
    for (std::string request; !(request = connection.read_request()).empty();) {
      const std::string reply = plain_reply("done " + request.substr(request.find("\r\n\r\n") + 4));
      connection.write(reply + reply);
    }
  });
  HttpClient client;
  TestJobs jobs(20);
  Fleet fleet(client, quick({server.url()}));
  ASSERT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
  EXPECT_EQ(fleet.endpoints()[0].troubles, 0);
}

TEST(Fleet, AnotherEndpointTakesWhatFailed) {
  std::atomic<int> failures = 0;
  const auto broken = server_of([&](const auto&, auto& reply) {
    ++failures;
    reply.status = 503;
  });
  const auto sound = server_of(done);
  HttpClient client;
  TestJobs jobs(30);
  FleetOptions options = quick({broken->url(), sound->url()});
  options.most_tries = 2;  // so a job that came back to the broken one would end the run
  Fleet fleet(client, options);
  const auto ended = fleet.run(jobs.work);
  ASSERT_TRUE(ended) << ended.error().message();
  jobs.expect_each_taken_once();
  EXPECT_GE(failures, 1);
  EXPECT_EQ(fleet.endpoints()[0].taken, 0);
  EXPECT_EQ(fleet.endpoints()[0].troubles, failures);
  EXPECT_EQ(fleet.endpoints()[1].taken, 30);
}

TEST(Fleet, TroubleHalvesTheWindow) {
  std::atomic<bool> failed = false;
  const auto server = server_of([&](const auto& request, auto& reply) {
    if (request.body == "31" && !failed.exchange(true)) {
      reply.status = 429;
      return;
    }
    done(request, reply);
  });
  HttpClient client;
  TestJobs jobs(32);
  FleetOptions options = quick({server->url()});
  options.most_in_flight = 4;
  Fleet fleet(client, options);
  ASSERT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
  EXPECT_LT(fleet.endpoints()[0].window, 4);
  EXPECT_EQ(fleet.endpoints()[0].troubles, 1);
}

double run_with_retry_after(const std::string& value, double most_delay_s) {
  std::atomic<int> asked = 0;
  const auto server = server_of([&](const auto& request, auto& reply) {
    if (asked++ == 0) {
      reply.status = 429;
      reply.set_header("Retry-After", value);
      return;
    }
    done(request, reply);
  });
  HttpClient client;
  TestJobs jobs(3);
  FleetOptions options = quick({server->url()});
  options.most_delay_s = most_delay_s;
  Fleet fleet(client, options);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
  EXPECT_EQ(asked, 4);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(Fleet, RetryAfterIsKeptAndCapped) {
  EXPECT_GE(run_with_retry_after("1", 30), 1);
  const double capped = run_with_retry_after("3600", 0.3);
  EXPECT_GE(capped, 0.3);
  EXPECT_LT(capped, 600);
}

TEST(Fleet, AnEndpointDiesAndReturnsInMidRun) {
  std::binary_semaphore returned(0);
  std::atomic<bool> has_returned = false;
  auto dying = server_of(done);
  const int port = dying->port();
  const auto steady = server_of([&](const auto& request, auto& reply) {
    if (std::stol(request.body) == 60) returned.acquire();  // so that the run needs the other one again
    done(request, reply);
  });
  std::unique_ptr<HttpTestServer> second_life;
  HttpClient client;
  TestJobs jobs(100);
  const auto take = jobs.work.take;
  jobs.work.take = [&](Index job, const FleetReply& reply) -> Result<void> {
    auto taken = take(job, reply);
    if (jobs.taken.size() == 20) dying.reset();
    return taken;
  };
  jobs.work.log = [&](const std::string& line) {
    jobs.log.push_back(line);
    if (line.find(": down") == std::string::npos || second_life) return;
    second_life = server_of(
        [&](const auto& request, auto& reply) {
          if (!has_returned.exchange(true)) returned.release();
          done(request, reply);
        },
        port);
  };
  FleetOptions options = quick({dying->url(), steady->url()});
  options.most_ahead = 1000;
  Fleet fleet(client, options);
  const auto ended = fleet.run(jobs.work);
  ASSERT_TRUE(ended) << ended.error().message();
  jobs.expect_each_taken_once();
  EXPECT_THAT(jobs.log, testing::Contains(HasSubstr("up again")));
  EXPECT_GT(fleet.endpoints()[0].taken, 10);
  EXPECT_TRUE(fleet.endpoints()[0].healthy);
}

TEST(Fleet, WaitsForAServerThatIsNotUpYet) {
  const int port = closed_port();
  std::unique_ptr<HttpTestServer> late;
  HttpClient client;
  TestJobs jobs(5);
  jobs.work.log = [&](const std::string& line) {
    if (!late && line.find(": down") != std::string::npos) late = server_of(done, port);
  };
  FleetOptions options = quick({"http://127.0.0.1:" + std::to_string(port)});
  options.most_tries = 1;  // no server was asked, so no try was used up
  Fleet fleet(client, options);
  const auto ended = fleet.run(jobs.work);
  ASSERT_TRUE(ended) << ended.error().message();
  jobs.expect_each_taken_once();
}

TEST(Fleet, GivesUpWhereAllAreDown) {
  const std::string one = "http://127.0.0.1:" + std::to_string(closed_port());
  const std::string two = "http://127.0.0.1:" + std::to_string(closed_port());
  HttpClient client;
  TestJobs jobs(50);
  FleetOptions options = quick({one});
  if (two != one) options.endpoints.push_back(two);
  options.give_up_s = 0.3;
  Fleet fleet(client, options);
  const auto start = std::chrono::steady_clock::now();
  const auto ended = fleet.run(jobs.work);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(300));
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().message(),
              AllOf(HasSubstr("within 0.3 s"), HasSubstr(one), HasSubstr("unreachable")));
  EXPECT_EQ(jobs.taken.size(), 0u);
  EXPECT_EQ(client.running(), 0);
}

}  // namespace
}  // namespace assay
