// A remote engine over sockets, against servers of this process that answer as vLLM does.
#include "engine/remote/remote_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <semaphore>

#include "base/sha256.h"
#include "engine/vllm/fake_vllm.h"
#include "http/test_servers.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Answers from a FakeVllm; `intercept` may answer in its place.
class VllmServer {
 public:
  explicit VllmServer(FakeVllm with = {}) : fake(std::move(with)) {
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      const std::scoped_lock lock(mutex_);
      if (request.has_header("Authorization")) authorization = request.get_header_value("Authorization");
      if (intercept && intercept(request, response)) return;
      const HttpReply reply =
          fake.answer({.method = request.method, .url = request.path, .body = request.body});
      response.status = reply.status;
      response.set_content(reply.body, "application/json");
      bodies.push_back(reply.body);
    };
    server_->Get(".*", answer);
    server_->Post(".*", answer);
    server_.start();
  }
  std::string url() const { return server_.url(); }
  void stop() { server_.stop(); }

  FakeVllm fake;
  std::function<bool(const httplib::Request&, httplib::Response&)> intercept;
  std::string authorization;
  std::vector<std::string> bodies;

 private:
  std::mutex mutex_;
  HttpTestServer server_;
};

Setup setup_for(const std::vector<std::string>& endpoints) {
  return {.name = "served",
          .model = ASSAY_SOURCE_DIR "/models/tiny-qwen3-awq",
          .quantization = "awq",
          .dtype = "float16",
          .device = "h100",
          .server = ServerChoice{.engine = "vllm", .endpoints = endpoints, .served_model = "m"}};
}

std::unique_ptr<Engine> open(const Setup& setup, const EngineOptions& options = {}) {
  auto engine = open_remote_engine(setup, options);
  if (!engine) throw Fault(engine.error().message());
  return *std::move(engine);
}

std::string refusal(const Setup& setup, const EngineOptions& options = {}) {
  const auto engine = open_remote_engine(setup, options);
  return engine ? "no error" : engine.error().message();
}

ScoreRequest request_of(Index job, Replay replay = Replay::prefill) {
  const auto id = [&](Index i) { return static_cast<TokenId>((job * 131 + i * 577 + 31) % 4000); };
  ScoreRequest request{.tokens = {}, .prompt_length = 6, .asked = {}, .replay = replay, .check_tokens = true};
  for (Index i = 0; i < 9; ++i) request.tokens.push_back(id(i));
  for (const Index position : {4, 5, 7}) request.asked.push_back({position, {}, 5});
  return request;
}

void expect_truth(const ScoreRequest& request, const Scores& scores) {
  ASSERT_EQ(scores.positions.size(), request.asked.size());
  for (const PositionScores& position : scores.positions) {
    const auto at = static_cast<std::size_t>(position.position);
    const auto truth = FakeVllm::scores_after(std::span(request.tokens).first(at));
    for (const TokenScore& score : position.scores) EXPECT_EQ(*find_score(truth, score.id), score);
    EXPECT_NE(find_score(position.scores, request.tokens[at]), nullptr);
    EXPECT_GE(position.scores.size(), 5U);
  }
  EXPECT_EQ(scores.tokens.size(), 3U);
}

TEST(RemoteEngine, SaysWhatItTalksTo) {
  VllmServer server;
  const auto engine = open(setup_for({server.url() + "/"}));
  EXPECT_EQ(engine->vocabulary_size(), 4096);
  EXPECT_EQ(engine->context_length(), 512) << "the server's is smaller than the model's";
  const Environment ran = engine->describe();
  for (const auto& [key, value] : Environment{{"engine", "vllm"},
                                              {"prompt_logprobs", "yes"},
                                              {"forced_decode", "yes"},
                                              {"top_k_limit", "20"},
                                              {"ranks", "yes"},
                                              {"ids", "ids"},
                                              {"server_version", "0.30.0"},
                                              {"server_model", "m"},
                                              {"server_max_model_len", "512"},
                                              {"server_fingerprint", "vllm-0.30.0-tp1-0123abcd"},
                                              {"rows_change_bits", "yes"},
                                              {"determinism", "not_deterministic"}}) {
    EXPECT_EQ(lookup(ran, key), value) << key;
  }
}

TEST(RemoteEngine, ScoresByPrefillAndNamesTheReply) {
  VllmServer server;
  const auto engine = open(setup_for({server.url()}));
  const ScoreRequest request = request_of(1);
  const auto scores = engine->score(request);
  ASSERT_TRUE(scores) << scores.error().message();
  expect_truth(request, *scores);
  EXPECT_EQ(scores->served, (Environment{{"endpoint", server.url()},
                                         {"fingerprint", "vllm-0.30.0-tp1-0123abcd"},
                                         {"reply_sha256", sha256_hex(server.bodies.back())}}));
  EXPECT_EQ(engine->tokens_computed(), 9);
}

TEST(RemoteEngine, DecodeReplayTakesTwoRequests) {
  VllmServer server;
  const auto engine = open(setup_for({server.url()}));
  server.fake.asked.clear();
  const ScoreRequest request = request_of(2, Replay::decode);
  const auto scores = engine->score(request);
  ASSERT_TRUE(scores) << scores.error().message();
  expect_truth(request, *scores);
  EXPECT_THAT(server.fake.asked, ElementsAre("/v1/completions", "/inference/v1/generate"));
  EXPECT_NE(lookup(scores->served, "prompt_reply_sha256"), lookup(scores->served, "reply_sha256"));
  EXPECT_EQ(lookup(scores->served, "prompt_endpoint"), server.url());
}

TEST(RemoteEngine, WhatTheServerLacksIsRefusedBeforeAnythingIsSent) {
  VllmServer server{{.scale_out = false}};
  const auto engine = open(setup_for({server.url()}));
  server.fake.asked.clear();
  const auto scores = engine->score(request_of(2, Replay::decode));
  ASSERT_FALSE(scores);
  EXPECT_THAT(scores.error().message(), AllOf(HasSubstr("setups.served"), HasSubstr("--enable-scale-out")));
  EXPECT_TRUE(server.fake.asked.empty());
  EXPECT_TRUE(engine->score(request_of(2)));
}

TEST(RemoteEngine, JobsAreTakenInOrderFromAPool) {
  VllmServer a;
  VllmServer b;
  assay::Setup setup = setup_for({a.url(), b.url()});
  setup.server->in_flight = 3;
  const auto engine = open(setup);
  int failures = 12;
  a.intercept = [&](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "POST" || failures-- <= 0) return false;
    response.status = failures % 2 == 0 ? 503 : 429;
    response.set_header("Retry-After", "0");
    return true;
  };
  std::vector<Index> taken;
  std::set<std::string> endpoints;
  const ScoreJobs jobs{.count = 40,
                       .request =
                           [](Index job) {
                             ScoreRequest request =
                                 request_of(job, job % 2 == 0 ? Replay::prefill : Replay::decode);
                             if (job % 10 == 3) {  // asks for nothing
                               request.asked.clear();
                               request.check_tokens = false;
                             }
                             return request;
                           },
                       .take =
                           [&](Index job, const Scores& scores) {
                             taken.push_back(job);
                             if (job % 10 == 3) {
                               EXPECT_EQ(scores, Scores{});
                               return Result<void>();
                             }
                             expect_truth(request_of(job), scores);
                             endpoints.insert(lookup(scores.served, "endpoint"));
                             return Result<void>();
                           }};
  const auto done = engine->score_all(jobs, Replay::decode);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_TRUE(*done);
  std::vector<Index> all(40);
  for (Index i = 0; i < 40; ++i) all[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(taken, all);
  EXPECT_THAT(endpoints, ElementsAre(std::min(a.url(), b.url()), std::max(a.url(), b.url())));
}

TEST(RemoteEngine, ARepliedThatIsWrongIsAskedForAgain) {
  VllmServer server;
  const auto engine = open(setup_for({server.url()}));
  int wrong = 3;
  server.intercept = [&](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "POST" || wrong == 0) return false;
    HttpReply reply = server.fake.answer({.method = "POST", .url = request.path, .body = request.body});
    if (wrong == 3) reply.body.resize(reply.body.size() / 2);  // cut
    if (wrong == 2) reply.body.replace(reply.body.find("\"logprob\":-"), 11, "\"logprob\":NaN,\"x\":-");
    if (wrong == 1) reply.body.replace(reply.body.find("cmpl-assay"), 10, "cmpl-other");  // another request's
    --wrong;
    response.set_content(reply.body, "application/json");
    return true;
  };
  const ScoreRequest request = request_of(5);
  const auto scores = engine->score(request);
  ASSERT_TRUE(scores) << scores.error().message();
  expect_truth(request, *scores);
  EXPECT_EQ(wrong, 0);
}

TEST(RemoteEngine, GeneratesJobsInOrder) {
  VllmServer server;
  const auto engine = open(setup_for({server.url()}));
  std::vector<Generation> made;
  const auto request_for = [](Index job) {
    return GenerateRequest{
        .prompt = request_of(job).tokens, .max_new_tokens = 4, .top_k = 3, .last_positions = 2};
  };
  const auto done = engine->generate_all(
      {.count = 5, .request = request_for, .take = [&](Index job, Generation generation) {
         EXPECT_EQ(job, std::ssize(made));
         return made.push_back(std::move(generation)), Result<void>();
       }});
  ASSERT_TRUE(done) << done.error().message();
  ASSERT_EQ(made.size(), 5U);
  for (Index job = 0; job < 5; ++job) {
    const Generation& one = made[static_cast<std::size_t>(job)];
    EXPECT_EQ(one.prompt_ids, request_for(job).prompt);
    EXPECT_EQ(one.generated_ids.size(), 4U);
    EXPECT_EQ(one.prefill.size(), 2U);
    EXPECT_EQ(one.decode.size(), 2U);
    EXPECT_EQ(lookup(one.served, "endpoint"), server.url());
  }
  const auto sampled =
      engine->generate({.prompt = {1, 2}, .max_new_tokens = 2, .sampling = {Sampler::inverse_cdf, 1, 0}});
  EXPECT_THAT(sampled.error().message(), HasSubstr("inverse_cdf"));
}

TEST(RemoteEngine, ATakersErrorEndsTheWork) {
  VllmServer server;
  const auto engine = open(setup_for({server.url()}));
  Index taken = 0;
  const auto done = engine->score_all(
      {.count = 20,
       .request = [](Index job) { return request_of(job); },
       .take =
           [&](Index, const Scores&) {
             return ++taken == 3 ? Result<void>(Error{"disk", "", "room", "none"}) : Result<void>();
           }},
      Replay::prefill);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().file, "disk");
  EXPECT_EQ(taken, 3);
}

TEST(RemoteEngine, StopsWhereItIsTold) {
  VllmServer server;
  bool stop = false;
  const auto engine = open(setup_for({server.url()}), {.stopped = [&] { return stop; }});
  const auto done =
      engine->score_all({.count = 20,
                         .request = [](Index job) { return request_of(job); },
                         .take = [&](Index, const Scores&) { return stop = true, Result<void>(); }},
                        Replay::prefill);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_FALSE(*done);
}

TEST(RemoteEngine, OpeningRefusesWhatCannotWork) {
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

TEST(RemoteEngine, EndpointsOfAPoolMustAgree) {
  VllmServer a;
  VllmServer b{{.max_logprobs = 5}};
  EXPECT_THAT(refusal(setup_for({a.url(), b.url()})),
              AllOf(HasSubstr(b.url() + ": top_k_limit: expected \"20\""), HasSubstr(a.url()),
                    HasSubstr("found \"5\"")));
  VllmServer c{{.fingerprint = "vllm-0.29.0"}};
  EXPECT_THAT(refusal(setup_for({a.url(), c.url()})), HasSubstr(c.url() + ": fingerprint"));
}

TEST(RemoteEngine, ProbesAgainWhileTroublePasses) {
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

TEST(RemoteEngine, ARouterIsWarnedOf) {
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
  EXPECT_TRUE(logged.empty());
  changing.fake.fingerprint = "another";
  ASSERT_TRUE(engine->score(request_of(1)));
  ASSERT_TRUE(engine->score(request_of(1)));
  EXPECT_THAT(logged, ElementsAre(HasSubstr("replies carry different fingerprints")));
}

TEST(RemoteEngine, TheTokenIsSentAndNeverTold) {
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

TEST(RemoteEngine, RepliesHaveALimit) {
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

TEST(RemoteEngine, AStopIsHeardWhileAServerIsSilent) {
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

TEST(RemoteEngine, OpenEngineGoesByTheSetup) {
  VllmServer server;
  ThreadPool pool(1);
  const auto engine = open_engine(setup_for({server.url()}), pool);
  ASSERT_TRUE(engine) << engine.error().message();
  EXPECT_EQ(lookup((*engine)->describe(), "engine"), "vllm");
}

TEST(RemoteEngine, ALaunchedServerThatEndsIsAnError) {
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
