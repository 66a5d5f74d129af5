#include "http/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <semaphore>

#include "http/test_jobs.h"

namespace assay {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;

TEST(Fleet, OneAtATimeGoesInOrder) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  const auto server = server_of([&](const auto& request, auto& reply) {
    most = std::max(most.load(), ++now);
    done(request, reply);
    --now;
  });
  HttpClient client;
  TestJobs jobs(50);
  Fleet fleet(client, quick({server->url()}));
  const auto ended = fleet.run(jobs.work);
  ASSERT_TRUE(ended) << ended.error().message();
  EXPECT_TRUE(*ended);
  jobs.expect_each_taken_once();
  EXPECT_TRUE(std::is_sorted(jobs.taken.begin(), jobs.taken.end()));
  EXPECT_EQ(most, 1);
  EXPECT_EQ(fleet.endpoints()[0].taken, 50);
  EXPECT_EQ(fleet.endpoints()[0].in_flight, 0);
  EXPECT_TRUE(*fleet.run(TestJobs(0).work));
}

TEST(Fleet, TheWindowOpensToItsLimit) {
  std::barrier together(4);  // passed only where four are in flight at once
  const auto server = server_of([&](const auto& request, auto& reply) {
    if (std::stol(request.body) >= 40) together.arrive_and_wait();
    done(request, reply);
  });
  HttpClient client;
  TestJobs jobs(80);
  FleetOptions options = quick({server->url()});
  options.most_in_flight = 4;
  Fleet fleet(client, options);
  ASSERT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
  EXPECT_EQ(fleet.endpoints()[0].window, 4);
}

TEST(Fleet, EightEndpointsWorkAtOnce) {
  std::barrier together(8);
  std::vector<std::unique_ptr<HttpTestServer>> servers;
  std::vector<std::string> urls;
  for (int i = 0; i < 8; ++i) {
    servers.push_back(server_of([&](const auto& request, auto& reply) {
      together.arrive_and_wait();
      done(request, reply);
    }));
    urls.push_back(servers.back()->url());
  }
  HttpClient client;
  TestJobs jobs(80);
  Fleet fleet(client, quick(urls));
  ASSERT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
  for (const EndpointState& endpoint : fleet.endpoints()) EXPECT_EQ(endpoint.taken, 10);
}

TEST(Fleet, NotFarAheadOfTheFirstThatIsNotTaken) {
  std::counting_semaphore<8> others(0);
  const Answer answer = [&](const auto& request, auto& reply) {
    if (request.body == "0") {
      for (int i = 0; i < 3; ++i) others.acquire();
    } else if (std::stol(request.body) <= 3) {
      others.release();
    }
    done(request, reply);
  };
  const auto one = server_of(answer);
  const auto two = server_of(answer);
  HttpClient client;
  TestJobs jobs(20);
  Index furthest_before_first = 0;
  const auto request = jobs.work.request;
  jobs.work.request = [&](Index job) {
    const bool first_taken = std::count(jobs.taken.begin(), jobs.taken.end(), 0) > 0;
    if (!first_taken) furthest_before_first = std::max(furthest_before_first, job);
    return request(job);
  };
  FleetOptions options = quick({one->url(), two->url()});
  options.most_ahead = 4;
  Fleet fleet(client, options);
  ASSERT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
  EXPECT_EQ(furthest_before_first, 3);
}

TEST(Fleet, StopCancelsWhatIsInFlight) {
  std::counting_semaphore<8> go(0);
  const auto server = server_of([&](const auto& request, auto& reply) {
    if (std::stol(request.body) >= 3) go.acquire();
    done(request, reply);
  });
  HttpClient client;
  TestJobs jobs(10);
  int asked_after_third = 0;
  jobs.work.stopped = [&] {
    return jobs.taken.size() == 3 && ++asked_after_third > 3;
  };  // nothing happens meanwhile
  Fleet fleet(client, quick({server->url()}));
  const auto ended = fleet.run(jobs.work);
  ASSERT_TRUE(ended);
  EXPECT_FALSE(*ended);
  EXPECT_EQ(jobs.taken, (std::vector<Index>{0, 1, 2}));
  EXPECT_EQ(fleet.endpoints()[0].in_flight, 0);
  EXPECT_EQ(client.running(), 0);
  go.release(8);
  jobs.work.stopped = [] { return false; };  // and the fleet can run again
  jobs.taken.clear();
  EXPECT_TRUE(*fleet.run(jobs.work));
  jobs.expect_each_taken_once();
}

TEST(Fleet, ARefusalEndsTheRunAtOnce) {
  std::atomic<int> asked = 0;
  const auto server = server_of([&](const auto& request, auto& reply) {
    ++asked;
    reply.status = 401;
    reply.set_content(
        R"({"error":{"message":"bad key ')" + request.get_header_value("Authorization") + R"('"}})",
        "application/json");
  });
  HttpClient client;
  TestJobs jobs(10);
  Fleet fleet(client, quick({server->url()}));
  const auto ended = fleet.run(jobs.work);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().file, server->url());
  EXPECT_EQ(ended.error().key, "/work");
  EXPECT_EQ(ended.error().found, "HTTP 401: bad key 'Bearer ***'");
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(fleet.endpoints()[0].in_flight, 0);
}

TEST(Fleet, TheLastTryEndsTheRun) {
  const auto wrong = server_of([](const auto& request, auto& reply) {
    reply.set_content("echo " + request.get_header_value("Authorization"), "text/plain");
  });
  const auto failing = server_of([](const auto& request, auto& reply) {
    reply.status = 500;
    reply.set_content("trace: " + request.get_header_value("Authorization"), "text/plain");
  });
  HttpClient client;
  FleetOptions options = quick({wrong->url()});
  options.most_tries = 3;
  TestJobs jobs(1);
  const auto unread = Fleet(client, options).run(jobs.work);
  ASSERT_FALSE(unread);
  EXPECT_EQ(unread.error().message(), wrong->url() + ": reply: body: expected done 0, found echo Bearer ***");
  options.endpoints = {failing->url()};
  TestJobs more(1);
  const auto failed = Fleet(client, options).run(more.work);
  ASSERT_FALSE(failed);
  EXPECT_EQ(
      failed.error().message(),
      failing->url() + ": /work: expected a usable reply within 3 tries, found HTTP 500: trace: Bearer ***");
  EXPECT_EQ(more.log.size(), 2u);
  for (const TestJobs* of : {&jobs, &more}) EXPECT_THAT(of->log, Each(Not(HasSubstr("hunter2"))));
}

TEST(Fleet, ATlsFailureEndsTheRun) {
  const auto server = server_of(done);
  HttpClient client;
  TestJobs jobs(3);
  Fleet fleet(client, quick({server->url("https")}));
  const auto ended = fleet.run(jobs.work);
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().found, testing::StartsWith("tls: "));
  EXPECT_EQ(jobs.log.size(), 0u);
}

TEST(Fleet, RefusesWhatItCannotUse) {
  HttpClient client;
  for (const std::vector<std::string>& endpoints :
       {std::vector<std::string>{}, {"http://a/"}, {"http://a", "http://a"}, {"http://u:p@a"}, {"a:80"}}) {
    EXPECT_THROW(Fleet(client, quick(endpoints)), Fault);
  }
  TestJobs jobs(1);
  jobs.work.request = [](Index) {
    HttpRequest request;
    request.url = "/work";
    request.headers = {{"X", "a\r\nb"}};
    return request;
  };
  const auto ended = Fleet(client, quick({"http://127.0.0.1:1"})).run(jobs.work);
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().message(), HasSubstr("control characters"));
}

}  // namespace
}  // namespace assay
