// What opening an engine of servers refuses, and what of theirs it keeps to itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <semaphore>

#include "engine/remote/test_vllm_server.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(RemoteOpening, OpeningRefusesWhatCannotWork) {
  VllmServer server;
  assay::Setup setup = setup_for({server.url()});
  setup.server->served_model = "n";
  EXPECT_THAT(refusal(setup), AllOf(HasSubstr(server.url()), HasSubstr("(other, m), found n")));
  setup = setup_for({"http://127.0.0.1:" + std::to_string(closed_port())});
  EXPECT_THAT(refusal(setup), HasSubstr("/health: expected a healthy vllm server, found unreachable"));
  setup = setup_for({"http://me:hunter2@127.0.0.1:1"});
  EXPECT_THAT(refusal(setup), AllOf(StartsWith("endpoint[0]: "), Not(HasSubstr("hunter2"))));
  setup = setup_for({});
  EXPECT_THAT(refusal(setup), HasSubstr("either endpoints or a command to launch, found neither"));
  setup = setup_for({server.url()});
  setup.server->launch = "true";
  EXPECT_THAT(refusal(setup), HasSubstr("found both"));
  setup = setup_for({server.url()});
  setup.server->engine = "tgi";
  EXPECT_THAT(refusal(setup), HasSubstr("engine: expected vllm, sglang or openai, found tgi"));
  setup = setup_for({server.url()});
  setup.server->token_variable = "ASSAY_TEST_UNSET_TOKEN";
  EXPECT_THAT(refusal(setup), AllOf(StartsWith("token_variable: "), HasSubstr("ASSAY_TEST_UNSET_TOKEN")));
  setup = setup_for({server.url()});
  setup.model = "/nonexistent";
  EXPECT_NE(refusal(setup), "no error");
}

TEST(RemoteOpening, EndpointsOfAPoolMustAgree) {
  VllmServer a;
  VllmServer b{{.max_logprobs = 5}};
  EXPECT_THAT(refusal(setup_for({a.url(), b.url()})),
              AllOf(HasSubstr(b.url() + ": top_k_limit: expected \"20\""), HasSubstr(a.url()),
                    HasSubstr("found \"5\"")));
  VllmServer c{{.fingerprint = "vllm-0.29.0"}};
  EXPECT_THAT(refusal(setup_for({a.url(), c.url()})), HasSubstr(c.url() + ": fingerprint"));
}

TEST(RemoteOpening, ProbesAgainWhileTroublePasses) {
  VllmServer server;
  int failures = 2;
  server.intercept = [&](const httplib::Request& request, httplib::Response& response) {
    if (request.path != "/v1/models" || failures-- <= 0) return false;
    response.status = 503;
    return true;
  };
  EXPECT_EQ(refusal(setup_for({server.url()})), "no error");
  EXPECT_LT(failures, 0);
}

TEST(RemoteOpening, ARouterIsWarnedOf) {
  std::vector<std::string> logged;
  const EngineOptions options{.log = [&](const std::string& line) { logged.push_back(line); }};
  VllmServer server;
  server.intercept = [](const httplib::Request&, httplib::Response& response) {
    return response.set_header("Via", "1.1 router"), false;
  };
  open(setup_for({server.url()}), options);
  EXPECT_THAT(logged, Contains(HasSubstr("a router answers there (header via)")));

  logged.clear();
  VllmServer changing;
  const auto engine = open(setup_for({changing.url()}), options);
  ASSERT_TRUE(engine->score(request_of(1)));
  ASSERT_TRUE(engine->score(request_of(1, Replay::decode)));
  EXPECT_TRUE(logged.empty()) << "the second route tells no fingerprint";
  changing.fake.fingerprint = "another";
  ASSERT_TRUE(engine->score(request_of(1)));
  ASSERT_TRUE(engine->score(request_of(1)));
  EXPECT_THAT(logged, ElementsAre(HasSubstr("replies carry different fingerprints")));
}

TEST(RemoteOpening, TheTokenIsSentAndNeverTold) {
  constexpr const char* kVariable = "ASSAY_TEST_REMOTE_TOKEN";
  ::setenv(kVariable, "tok-3v3r-s3cr3t", 1);
  std::string told;
  const EngineOptions options{.log = [&](const std::string& line) { told += line; }};
  VllmServer server{{.scale_out = false}};
  server.intercept = [](const httplib::Request& request, httplib::Response& response) {
    if (request.path != "/inference/v1/generate" && request.path != "/version") return false;
    const std::string echoed = request.get_header_value("Authorization");
    // Errors show the first 200 bytes: the cut is inside the token.
    const std::string body =
        request.path == "/version" ? Json{{"version", echoed}}.dump() : std::string(180, 'x') + echoed;
    response.set_content(body, "application/json");
    if (request.path != "/version") response.status = 400;
    return true;
  };
  assay::Setup setup = setup_for({server.url()});
  setup.server->token_variable = kVariable;
  const auto engine = open(setup, options);
  EXPECT_EQ(server.authorization, "Bearer tok-3v3r-s3cr3t");
  for (const auto& [key, value] : engine->describe()) told += value;
  told += engine->score(request_of(2, Replay::decode)).error().message();
  for (const char* fingerprint : {"a", "b"}) {
    server.fake.fingerprint = server.authorization + fingerprint;
    const auto scores = engine->score(request_of(2));
    ASSERT_TRUE(scores) << scores.error().message();
    for (const auto& [key, value] : scores->served) told += value;
  }
  server.intercept = [](const httplib::Request& request, httplib::Response& response) {
    response.status = 400;
    response.set_content(request.get_header_value("Authorization"), "text/plain");
    return true;
  };
  told += engine->score(request_of(2)).error().message();
  told += refusal(setup, options);
  EXPECT_THAT(told, AllOf(HasSubstr("***"), Not(HasSubstr("s3cr3t")), Not(HasSubstr("3v3r"))));
  ::unsetenv(kVariable);
}

TEST(RemoteOpening, RepliesHaveALimit) {
  HttpRequest request;
  Transfer().complete(request);
  EXPECT_EQ(request.most_bytes, kMostReply);
  VllmServer server;
  server.intercept = [&](const httplib::Request& asked, httplib::Response& response) {
    if (asked.path != "/v1/models") return false;
    const HttpReply reply = server.fake.answer({.url = asked.path});
    response.set_content(std::string(kMostProbeReply, ' ') + reply.body, "application/json");
    return true;
  };
  EXPECT_THAT(refusal(setup_for({server.url()})), HasSubstr("too_long"));
}

TEST(RemoteOpening, AStopIsHeardWhileAServerIsSilent) {
  VllmServer server;
  std::binary_semaphore let_go(0);
  std::atomic<bool> asked = false;
  std::atomic<bool> was_let_go = false;
  server.intercept = [&](const httplib::Request&, httplib::Response&) {
    asked = true;
    was_let_go = let_go.try_acquire_for(std::chrono::seconds(20));
    return false;
  };
  EXPECT_THAT(refusal(setup_for({server.url()}), {.stopped = [&] { return asked.load(); }}),
              HasSubstr("stopped"));
  let_go.release();
  server.stop();
  EXPECT_TRUE(was_let_go);
}

TEST(RemoteOpening, OpenEngineGoesByTheSetup) {
  VllmServer server;
  ThreadPool pool(1);
  const auto engine = open_engine(setup_for({server.url()}), pool);
  ASSERT_TRUE(engine) << engine.error().message();
  EXPECT_EQ(lookup((*engine)->describe(), "engine"), "vllm");
}

TEST(RemoteOpening, ALaunchedServerThatEndsIsAnError) {
  assay::Setup setup = setup_for({});
  setup.server->launch = "echo no GPU {port}; exit 3";
  EXPECT_THAT(refusal(setup), HasSubstr("a folder for the server's log"));
  const auto folder = std::filesystem::path(testing::TempDir()) / "remote_engine_launch";
  std::filesystem::create_directories(folder);
  EXPECT_THAT(refusal(setup, {.log_folder = folder}), HasSubstr("no GPU"));
  EXPECT_TRUE(std::filesystem::exists(folder / "server-served.log"));
  // A name that does not speak of secrets.
  ::setenv("ASSAY_TEST_BEARER", "tok-3v3r-s3cr3t", 1);
  setup.server->launch = "echo no $ASSAY_TEST_BEARER; exit 3";
  setup.server->token_variable = "ASSAY_TEST_BEARER";
  EXPECT_THAT(refusal(setup, {.log_folder = folder}), HasSubstr("no ***"));
  ::unsetenv("ASSAY_TEST_BEARER");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace assay
