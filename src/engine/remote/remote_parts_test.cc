// What a remote engine is put together from, without a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/remote/endpoint_probe.h"
#include "engine/remote/endpoint_url.h"
#include "engine/remote/in_order.h"
#include "engine/remote/model_extents.h"
#include "engine/remote/request_limits.h"
#include "engine/remote/score_parts.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(EndpointUrl, BasesHaveNoSlashAtTheEnd) {
  const auto bases = endpoint_bases({"http://gpu1:8000/", "https://[::1]:443/prefix//"}, "endpoint");
  ASSERT_TRUE(bases) << bases.error().message();
  EXPECT_THAT(*bases, ElementsAre("http://gpu1:8000", "https://[::1]:443/prefix"));
}

TEST(EndpointUrl, WrongOnesAreNamedByPlaceAndNotEchoed) {
  for (const std::string url :
       {"", "gpu1:8000", "ftp://gpu1", "http://", "http://user:hunter2@gpu1", "http://hunter2@gpu1",
        "http://gpu1/?token=hunter2", "http://gpu1/#hunter2", "http://gpu 1"}) {
    const auto bases = endpoint_bases({"http://gpu0", url}, "setups.a.endpoint");
    ASSERT_FALSE(bases) << url;
    EXPECT_THAT(bases.error().message(), AllOf(HasSubstr("setups.a.endpoint[1]"), Not(HasSubstr("hunter2"))))
        << url;
  }
  EXPECT_THAT(endpoint_bases({"http://a", "http://a/"}, "endpoint").error().message(),
              HasSubstr("http://a twice"));
  EXPECT_THAT(endpoint_bases({}, "endpoint").error().message(), HasSubstr("at least one base URL"));
}

TEST(InOrder, TakesJobsInTheirOrder) {
  std::vector<Index> taken;
  InOrder<std::string> in_order([&](Index job, const std::string& answer) {
    EXPECT_EQ(answer, std::to_string(job));
    return taken.push_back(job), Result<void>();
  });
  for (const Index job : {2, 1, 0, 4}) ASSERT_TRUE(in_order.put(job, std::to_string(job)));
  EXPECT_THAT(taken, ElementsAre(0, 1, 2));
  ASSERT_TRUE(in_order.put(3, "3"));
  EXPECT_THAT(taken, ElementsAre(0, 1, 2, 3, 4));
}

TEST(InOrder, AnErrorIsTheTakers) {
  InOrder<int> in_order([](Index job, int) {
    return job == 1 ? Result<void>(Error{"", "", "room", "none"}) : Result<void>();
  });
  EXPECT_TRUE(in_order.put(1, 1));
  EXPECT_FALSE(in_order.put(0, 0));
}

ScoreRequest request_of(Replay replay, std::vector<Index> positions, bool check = false) {
  ScoreRequest request{
      .tokens = {1, 2, 3, 4, 5}, .prompt_length = 3, .asked = {}, .replay = replay, .check_tokens = check};
  for (const Index position : positions) request.asked.push_back({position, {}, 2});
  return request;
}

TEST(ScoreParts, PrefillIsOneRequest) {
  EXPECT_THAT(parts_of(request_of(Replay::prefill, {1, 4}, true)), ElementsAre(ScorePart::whole));
  EXPECT_THAT(parts_of(request_of(Replay::prefill, {}, true)), ElementsAre(ScorePart::whole));
  EXPECT_THAT(parts_of(request_of(Replay::prefill, {})), IsEmpty());
  EXPECT_EQ(part_of(request_of(Replay::prefill, {1, 4}), ScorePart::whole).asked.size(), 2U);
}

TEST(ScoreParts, DecodeIsSplitWhereThePromptEnds) {
  EXPECT_THAT(parts_of(request_of(Replay::decode, {1, 2, 4})),
              ElementsAre(ScorePart::prompt, ScorePart::forced));
  EXPECT_THAT(parts_of(request_of(Replay::decode, {3})), ElementsAre(ScorePart::forced));
  EXPECT_THAT(parts_of(request_of(Replay::decode, {2})), ElementsAre(ScorePart::prompt));
  EXPECT_THAT(parts_of(request_of(Replay::decode, {}, true)), ElementsAre(ScorePart::forced));
  EXPECT_THAT(parts_of(request_of(Replay::decode, {})), IsEmpty());
  const ScoreRequest prompt = part_of(request_of(Replay::decode, {1, 4}, true), ScorePart::prompt);
  EXPECT_THAT(prompt.tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(prompt.replay, Replay::prefill);
  EXPECT_FALSE(prompt.check_tokens);
  ASSERT_EQ(prompt.asked.size(), 1U);
  EXPECT_EQ(prompt.asked[0].position, 1);
  const ScoreRequest forced = part_of(request_of(Replay::decode, {1, 4}, true), ScorePart::forced);
  EXPECT_EQ(forced.tokens.size(), 5U);
  EXPECT_TRUE(forced.check_tokens);
  ASSERT_EQ(forced.asked.size(), 1U);
  EXPECT_EQ(forced.asked[0].position, 4);
}

TEST(ScoreParts, JoinedScoresSayWhoServedWhat) {
  const Scores prompt{.positions = {{1, {}}}, .tokens = {}, .served = {{"endpoint", "a"}}};
  const Scores forced{.positions = {{4, {}}}, .tokens = {{4, 1, 0, -1}}, .served = {{"endpoint", "b"}}};
  const Scores joined = join_parts({prompt, forced});
  ASSERT_EQ(joined.positions.size(), 2U);
  EXPECT_EQ(joined.positions[1].position, 4);
  EXPECT_EQ(joined.tokens.size(), 1U);
  EXPECT_EQ(joined.served, (Environment{{"endpoint", "b"}, {"prompt_endpoint", "a"}}));
  EXPECT_EQ(join_parts({}), Scores{});
}

RequestLimits limits() {
  return {.setup = "setups.a",
          .engine = "vllm",
          .vocabulary = 100,
          .context = 6,
          .capabilities = {.generates = true, .token_ids = true, .prompt_logprobs = true, .most_top_k = 20},
          .missing = "forced decode: HTTP 404"};
}

std::string refusal(const ScoreRequest& request, const RequestLimits& with = limits()) {
  const auto checked = check_request(request, with);
  return checked ? "" : checked.error().message();
}
std::string refusal(const GenerateRequest& request, const RequestLimits& with = limits()) {
  const auto checked = check_request(request, with);
  return checked ? "" : checked.error().message();
}

TEST(RequestLimits, WhatTheServerLacksIsRefusedWithTheReason) {
  EXPECT_EQ(refusal(request_of(Replay::prefill, {1, 4})), "");
  EXPECT_THAT(refusal(request_of(Replay::decode, {4})),
              HasSubstr("a vllm server that forces decoding (decode replay), found forced decode: HTTP 404"));
  EXPECT_EQ(refusal(request_of(Replay::decode, {2})), "") << "only the prompt is asked about";
  RequestLimits weak = limits();
  weak.capabilities.prompt_logprobs = weak.capabilities.generates = false;
  EXPECT_THAT(refusal(request_of(Replay::prefill, {1}), weak), HasSubstr("prefill replay"));
  EXPECT_EQ(refusal(request_of(Replay::prefill, {}), weak), "") << "nothing is asked";
  EXPECT_THAT(refusal(GenerateRequest{.prompt = {1}, .max_new_tokens = 1}, weak),
              HasSubstr("generates with log-probabilities"));
}

TEST(RequestLimits, ScoreRequestsFitTheModel) {
  auto request = request_of(Replay::prefill, {1, 4});
  request.tokens[2] = 100;
  EXPECT_THAT(refusal(request), HasSubstr("ids below 100, found 100"));
  EXPECT_THAT(refusal(request_of(Replay::prefill, {4, 1})), HasSubstr("ascending"));
  EXPECT_THAT(refusal(request_of(Replay::prefill, {5})), HasSubstr("1 to 4, found 5"));
  request = request_of(Replay::prefill, {4});
  request.asked[0].top_k = 21;
  EXPECT_THAT(refusal(request), HasSubstr("0 to 20, the server's limit, found 21"));
  request.asked[0] = {4, {-1}, 2};
  EXPECT_THAT(refusal(request), HasSubstr("ids: expected ids below 100"));
  request = request_of(Replay::prefill, {4});
  request.tokens.push_back(6);
  EXPECT_THAT(refusal(request), HasSubstr("at most the context of 6, found 7 tokens and one to generate"));
  request.prompt_length = 7;
  EXPECT_THAT(refusal(request), HasSubstr("prompt_length"));
  EXPECT_THAT(refusal(ScoreRequest{}), HasSubstr("at least one token"));
}

TEST(RequestLimits, GenerateRequestsFitTheServersSampler) {
  const GenerateRequest fits{.prompt = {1, 2}, .max_new_tokens = 4, .top_k = 20};
  EXPECT_EQ(refusal(fits), "");
  const auto with = [&](auto change) {
    GenerateRequest request = fits;
    change(request);
    return refusal(request);
  };
  EXPECT_THAT(with([](auto& r) { r.max_new_tokens = 5; }), HasSubstr("at most the context of 6"));
  EXPECT_THAT(with([](auto& r) { r.max_new_tokens = 0; }), HasSubstr("max_new_tokens"));
  EXPECT_THAT(with([](auto& r) { r.top_k = 21; }), HasSubstr("0 to 20"));
  EXPECT_THAT(with([](auto& r) {
                r.sampling = {Sampler::inverse_cdf, 1, 0};
              }),
              HasSubstr("found inverse_cdf"));
  EXPECT_EQ(with([](auto& r) { r.sampling = {Sampler::exponential_race, 1, 7}; }), "");
  EXPECT_THAT(with([](auto& r) {
                r.sampling = {Sampler::exponential_race, 2.5, 7};
              }),
              HasSubstr("0.01 to 2, found 2.5"));
  EXPECT_THAT(with([](auto& r) {
                r.sampling = {Sampler::exponential_race, 1, std::uint64_t{1} << 63};
              }),
              HasSubstr("2^63"));
  EXPECT_THAT(with([](auto& r) { r.sampling = {Sampler::greedy, 0.5, 0}; }), HasSubstr("0 (greedy)"));
}

TEST(EndpointProbe, EndpointsOfAPoolAreTheSame) {
  const Probe one{.capabilities = {.generates = true, .most_top_k = 20},
                  .identity = {{"version", "1"}, {"info", R"({"dtype":"float16","tp_size":1})"}}};
  Probe other = one;
  EXPECT_TRUE(check_same(one, other, "a", "b"));
  other.identity[1].second = R"({"dtype":"float16","tp_size":2})";
  EXPECT_EQ(check_same(one, other, "a", "b").error().message(),
            "b: info.tp_size: expected \"1\", as a, found \"2\"");
  other = one;
  other.capabilities.batch_invariant = true;
  EXPECT_EQ(check_same(one, other, "a", "b").error().message(),
            "b: batch_invariant: expected \"no\", as a, found \"yes\"");
  other = one;
  other.identity[0].second = "2";
  EXPECT_EQ(check_same(one, other, "a", "b").error().message(),
            "b: version: expected \"1\", as a, found \"2\"");
  other = one;
  other.capabilities.most_top_k = 5;
  EXPECT_EQ(check_same(one, other, "a", "b").error().message(),
            "b: top_k_limit: expected \"20\", as a, found \"5\"");
  other = one;
  other.identity.emplace_back("fingerprint", "x");
  EXPECT_EQ(check_same(one, other, "a", "b").error().message(),
            "b: fingerprint: expected \"\", as a, found \"x\"");
}

TEST(EndpointProbe, RoutersShowInHeaders) {
  EXPECT_EQ(router_sign({.headers = {{"server", "uvicorn"}, {"content-type", "application/json"}}}), "");
  EXPECT_EQ(router_sign({.headers = {{"via", "1.1 x"}}}), "header via");
  EXPECT_EQ(router_sign({.headers = {{"x-envoy-upstream-service-time", "3"}}}),
            "header x-envoy-upstream-service-time");
  EXPECT_EQ(router_sign({.headers = {{"server", "nginx/1.25"}}}), "header server: nginx");
}

TEST(ModelExtents, AreThoseOfTheConfig) {
  const auto extents = read_model_extents(ASSAY_SOURCE_DIR "/models/tiny-qwen3-awq");
  ASSERT_TRUE(extents) << extents.error().message();
  EXPECT_EQ(extents->vocabulary, 4096);
  EXPECT_GT(extents->context, 0);
  EXPECT_FALSE(read_model_extents("/nonexistent"));
}

}  // namespace
}  // namespace assay
