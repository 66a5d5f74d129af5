// Jobs, answers and servers of the fleet's tests.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/fleet.h"
#include "http/test_servers.h"

namespace assay {

inline constexpr std::string_view kTestToken = "sk-hunter2hunter2";

// Jobs whose right answer is "done N"; notes what is taken and logged.
struct TestJobs {
  explicit TestJobs(Index count) {
    work.jobs = count;
    work.request = [](Index job) {
      HttpRequest request;
      request.method = "POST";
      request.url = "/work";
      request.body = std::to_string(job);
      request.token = Secret(std::string(kTestToken));
      request.timeout_s = 30;
      return request;
    };
    work.take = [this](Index job, const FleetReply& reply) -> Result<void> {
      if (reply.http.body != "done " + std::to_string(job)) {
        return Error{"reply", "body", "done " + std::to_string(job), reply.http.body};
      }
      taken.push_back(job);
      return {};
    };
    work.log = [this](const std::string& line) { log.push_back(line); };
  }
  void expect_each_taken_once() const {
    std::vector<Index> all(static_cast<std::size_t>(work.jobs));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
    EXPECT_THAT(taken, testing::UnorderedElementsAreArray(all));
    EXPECT_THAT(log, testing::Each(testing::Not(testing::HasSubstr("hunter2"))));
  }

  FleetWork work;
  std::vector<Index> taken;
  std::vector<std::string> log;
};

inline FleetOptions quick(std::vector<std::string> endpoints) {
  FleetOptions options;
  options.endpoints = std::move(endpoints);
  options.first_delay_s = 0.01;
  options.most_delay_s = 0.05;
  options.give_up_s = 20;
  return options;
}

using Answer = std::function<void(const httplib::Request&, httplib::Response&)>;

inline void done(const httplib::Request& request, httplib::Response& reply) {
  reply.set_content("done " + request.body, "text/plain");
}

inline std::unique_ptr<HttpTestServer> server_of(Answer answer, int port = 0) {
  auto server = std::make_unique<HttpTestServer>();
  (*server)->Get("/health", [](const auto&, auto&) {});
  (*server)->Post("/work", std::move(answer));
  server->start(port);
  return server;
}

}  // namespace assay
