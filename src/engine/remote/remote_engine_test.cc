// A remote engine over sockets, against servers of this process that answer as vLLM does.
#include "engine/remote/remote_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "base/sha256.h"
#include "engine/remote/test_vllm_server.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

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
  int failures = 6;  // fewer than a job's tries
  std::latch well(1);
  a.intercept = [&](const httplib::Request& request, httplib::Response& response) {
    if (request.method != "POST") return false;
    if (failures-- <= 0) {
      if (failures == -1) well.count_down();
      return false;
    }
    response.status = failures % 2 == 0 ? 503 : 429;
    response.set_header("Retry-After", "0");
    return true;
  };
  b.intercept = [&](const auto&, auto&) {  // does not do all the work while the other is held back
    well.wait();
    return false;
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

}  // namespace
}  // namespace assay
