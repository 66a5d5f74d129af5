#include "engine/vllm/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/vllm/fake_vllm.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Result<Probe> probe(FakeVllm& server, const std::string& model = "m") {
  return probe_vllm([&](HttpRequest request) { return server.answer(request); }, model, "salt");
}

TEST(VllmProbe, FindsAllThatAServerCan) {
  FakeVllm server;
  const auto found = probe(server);
  ASSERT_TRUE(found) << found.error().message();
  const Capabilities& can = found->capabilities;
  EXPECT_TRUE(can.generates && can.token_ids && can.prompt_logprobs && can.forced_decode && can.ranks);
  EXPECT_TRUE(can.ids_of_interest && can.ids_by_position);
  EXPECT_EQ(can.most_top_k, 20);
  EXPECT_EQ(found->missing, "");
  EXPECT_EQ(found->context_length, 512);
  const Environment identity = {{"model", "m"},
                                {"model_root", "org/m"},
                                {"max_model_len", "512"},
                                {"version", "0.30.0"},
                                {"fingerprint", "vllm-0.30.0-tp1-0123abcd"},
                                {"request_id", "echoed"}};
  EXPECT_EQ(found->identity, identity);
  EXPECT_TRUE(echoes_ids(*found));
  EXPECT_LE(server.asked.size(), 8U);
}

TEST(VllmProbe, NamesTheModelsThatAreServed) {
  FakeVllm server;
  const auto found = probe(server, "n");
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(),
              HasSubstr("model: expected a model that the server lists (other, m), found n"));
}

TEST(VllmProbe, LimitIsInTheRefusal) {
  for (const Index limit : {1, 5, 64, 999}) {
    FakeVllm server{.max_logprobs = limit};
    EXPECT_EQ(probe(server)->capabilities.most_top_k, limit);
  }
  FakeVllm unlimited{.max_logprobs = -1};
  EXPECT_EQ(probe(unlimited)->capabilities.most_top_k, 0);
}

TEST(VllmProbe, LimitIsSearchedWhereTheRefusalDoesNotTellIt) {
  FakeVllm server{.max_logprobs = 37, .limit_words = "too many ({} of {})"};
  EXPECT_EQ(probe(server)->capabilities.most_top_k, 37);
  EXPECT_EQ(allowed_in("which is greater than max allowed: 20 (parameter=logprobs, value=1000)"), 20);
  EXPECT_EQ(allowed_in("1000 is not allowed"), std::nullopt);
  EXPECT_EQ(allowed_in("allowed: 99999999999999999999"), std::nullopt);
}

TEST(VllmProbe, RankOfOldReleasesIsNoticed) {
  FakeVllm server{.old_ranks = true};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->capabilities.ranks);
  EXPECT_THAT(found->missing, HasSubstr("rank k + 1"));
}

TEST(VllmProbe, ForcedDecodeNeedsItsFlags) {
  FakeVllm closed{.scale_out = false};
  const auto without = probe(closed);
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->capabilities.forced_decode);
  EXPECT_THAT(without->missing, AllOf(HasSubstr("HTTP 404"), HasSubstr("--enable-scale-out"),
                                      HasSubstr("--enable-trace-replay")));
  EXPECT_TRUE(without->capabilities.prompt_logprobs);
  FakeVllm forbidding;  // as since 0.32
  const auto forbidden = probe_vllm(
      [&](const HttpRequest& request) {
        if (request.url != "/inference/v1/generate") return forbidding.answer(request);
        return forbidding.refuse(
            403, "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out");
      },
      "m", "salt");
  ASSERT_TRUE(forbidden);
  EXPECT_FALSE(forbidden->capabilities.forced_decode);
  EXPECT_THAT(forbidden->missing, AllOf(HasSubstr("HTTP 403"), HasSubstr("--enable-scale-out"),
                                        HasSubstr("--enable-trace-replay")));
  FakeVllm untraced{.trace_replay = false};
  const auto refused = probe(untraced);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(refused->capabilities.forced_decode);
  EXPECT_THAT(refused->missing,
              AllOf(HasSubstr("HTTP 400: trace_decode_token_ids is set but trace replay is not enabled."),
                    Not(HasSubstr("(the server needs"))))
      << "the server's words say it";
}

TEST(VllmProbe, IdsOfInterestNeedModelRunnerV2) {
  FakeVllm server{.prompt_ids = false};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->capabilities.prompt_logprobs);
  EXPECT_FALSE(found->capabilities.ids_of_interest || found->capabilities.ids_by_position);
  EXPECT_THAT(found->missing, HasSubstr("ids of interest: HTTP 400: prompt_logprob_token_ids requires the V2 "
                                        "model runner (VLLM_USE_V2_MODEL_RUNNER=1)."));
}

TEST(VllmProbe, IdsOfInterestThatAreOfOtherPositionsAreNone) {
  FakeVllm server{.apart = -2};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->capabilities.ids_of_interest);
  EXPECT_THAT(found->missing, HasSubstr("as in prompt_logprobs"));
}

TEST(VllmProbe, TextsInPlaceOfIdsAreNoIds) {
  FakeVllm server{.ids_as_texts = true};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->capabilities.generates);
  EXPECT_FALSE(found->capabilities.prompt_logprobs);
  EXPECT_THAT(found->missing, HasSubstr("tokens as token_id:N"));
}

TEST(VllmProbe, LogitsAreNoLogProbabilities) {
  FakeVllm server{.raw_logits = true};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->capabilities.generates || found->capabilities.prompt_logprobs);
  EXPECT_THAT(found->missing, HasSubstr("raw_logits"));
}

TEST(VllmProbe, WithoutPromptLogprobsItMayGenerate) {
  FakeVllm server{.prompt_logprobs = false};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->capabilities.generates);
  EXPECT_FALSE(found->capabilities.prompt_logprobs);
  EXPECT_THAT(found->missing, HasSubstr("HTTP 400: prompt_logprobs is not supported"));
  EXPECT_EQ(lookup(found->identity, "request_id"), "echoed");
  EXPECT_EQ(lookup(found->identity, "fingerprint"), server.fingerprint);
}

TEST(VllmProbe, InfoIsKeptWithoutItsSecrets) {
  FakeVllm server{.echoes_id = false, .tells_info = true};
  const auto found = probe(server);
  ASSERT_TRUE(found);
  EXPECT_EQ(lookup(found->identity, "logprobs_mode"), "raw_logprobs");
  EXPECT_THAT(lookup(found->identity, "info"),
              AllOf(HasSubstr("float16"), Not(HasSubstr("server-secret")), Not(HasSubstr("hf_abc"))));
  EXPECT_THAT(lookup(found->identity, "info"), AllOf(HasSubstr("FLASH_ATTN"), Not(HasSubstr("triton"))))
      << "other parts than attention have a backend too";
  EXPECT_EQ(lookup(found->identity, "request_id"), "not_echoed");
}

TEST(VllmProbe, AnIdIsWhole) {
  for (const char* found : {"run-1", "cmpl-run-1", "cmpl-run-1-0"})
    EXPECT_TRUE(carries_id(found, "run-1")) << found;
  for (const char* found : {"", "run-2", "cmpl-run-12"}) EXPECT_FALSE(carries_id(found, "run-1")) << found;
}

// Whichever reply it is, one that is cut, another's or without sense is asked for again.
TEST(VllmProbe, OneBadReplyDoesNotStandForTheServer) {
  FakeVllm good;
  const auto expected = probe(good);
  ASSERT_TRUE(expected);
  for (int bad = 0; bad < 4; ++bad) {
    for (int kind = 0; kind < 3; ++kind) {
      FakeVllm server;
      HttpReply last;
      int posts = 0;
      const auto found = probe_vllm(
          [&](const HttpRequest& request) {
            HttpReply reply = server.answer(request);
            if (request.method != "POST") return reply;
            if (posts++ == bad) {
              if (kind == 0) return reply_with(reply.body.substr(0, reply.body.size() / 2));
              if (kind == 1) return reply_with("{}");
              if (posts > 1) return reply_with(last.body);
            }
            if (reply.status == 200) last = reply;
            return reply;
          },
          "m", "salt");
      ASSERT_TRUE(found) << found.error().message();
      EXPECT_EQ(found->identity, expected->identity);
      EXPECT_EQ(found->missing, "") << bad << " " << kind;
      EXPECT_EQ(found->capabilities.most_top_k, 20);
      EXPECT_TRUE(found->capabilities.ranks && found->capabilities.forced_decode);
    }
  }
}

TEST(VllmProbe, AServerThatDoesNotAnswerIsNone) {
  const auto silent = probe_vllm(
      [](const HttpRequest&) { return HttpReply{.transport = Transport::unreachable, .trouble = "refused"}; },
      "m", "salt");
  ASSERT_FALSE(silent);
  EXPECT_THAT(silent.error().message(),
              HasSubstr("/v1/models: expected a reply of status 200, found unreachable: refused"));
  FakeVllm server;
  const auto failing = probe_vllm(
      [&](const HttpRequest& request) {
        return request.url == "/v1/completions" ? reply_with("oops", 500) : server.answer(request);
      },
      "m", "salt");
  ASSERT_FALSE(failing);
  EXPECT_THAT(failing.error().message(), HasSubstr("HTTP 500: oops"));
}

}  // namespace
}  // namespace assay
