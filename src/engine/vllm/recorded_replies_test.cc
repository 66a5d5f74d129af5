// What a real vLLM server answered (testdata/README.md) is read as it was meant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "engine/vllm/completion_reply.h"
#include "engine/vllm/ids_reply.h"
#include "engine/vllm/probe.h"
#include "engine/vllm/test_reply.h"
#include "engine/vllm/trace_reply.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<TokenId> kPrompt = {9, 3, 7, 5, 8, 2, 6, 4};
const std::vector<TokenId> kTrace = {4095, 9, 8, 2703};

HttpReply recorded(const std::string& name, int status = 200) {
  std::ifstream file(ASSAY_SOURCE_DIR "/src/engine/vllm/testdata/" + name, std::ios::binary);
  return reply_with({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}, status);
}

CompletionAsked asked_for(Index top_k) {
  return {.prompt = {.tokens = kPrompt,
                     .rules = {.top_k = top_k},
                     .wanted = std::vector<bool>(kPrompt.size(), true)},
          .prompt_logprobs = true,
          .most_tokens = 2,
          .ignore_eos = true,
          .logprobs = true,
          .generated = {.top_k = top_k}};
}

TEST(RecordedReplies, Completion) {
  const auto reply = read_completion(recorded("completion.json"), asked_for(2));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->id, "cmpl-abc-1");
  EXPECT_TRUE(carries_id(reply->id, "abc-1"));
  EXPECT_EQ(reply->fingerprint, "vllm-0.32.0-1d002bd2");
  EXPECT_THAT(reply->generated_ids, ElementsAre(5, 6));
  ASSERT_EQ(reply->prompt.size(), 7U);
  EXPECT_EQ(reply->prompt[0],
            (PositionScores{1, {{198, -3.7889247F, 1}, {327, -3.826034F, 2}, {3, -7.7557216F, 387}}}));
  EXPECT_EQ(reply->prompt[3], (PositionScores{4, {{8, -1.9929559F, 1}, {5, -2.4421747F, 2}}}))
      << "the own token is one of the top 2";
  EXPECT_THAT(reply->generated, ElementsAre(PositionScores{8, {{5, -0.96712923F, 1}, {6, -1.9671292F, 2}}},
                                            PositionScores{9, {{6, -0.7035939F, 1}, {5, -2.5512502F, 2}}}));
}

TEST(RecordedReplies, CompletionOfTheOwnTokensAlone) {
  const auto reply = read_completion(recorded("completion_top_0.json"), asked_for(0));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->prompt[0], (PositionScores{1, {{3, -7.7557216F, 387}}}));
  EXPECT_EQ(reply->generated[0].scores.size(), 1U);
}

TEST(RecordedReplies, Trace) {
  const auto reply =
      read_trace(recorded("trace.json"),
                 {.trace = kTrace, .first = 8, .rules = {.top_k = 3, .form = ListForm::k_at_most}});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_TRUE(carries_id(reply->id, "trace3eos"));
  EXPECT_EQ(reply->fingerprint, "") << "the route tells none";
  ASSERT_EQ(reply->positions.size(), 4U) << "the end-of-text token 4095 ends nothing";
  EXPECT_EQ(reply->positions[0],
            (PositionScores{8, {{5, -0.96712923F, 1}, {6, -1.9671292F, 2}, {4095, -13.390957F, 1743}}}));
}

TEST(RecordedReplies, ATraceThatAnOldReleaseIgnores) {
  const std::vector<TokenId> trace = {5, 9};
  const auto reply =
      read_trace(recorded("trace_ignored.json"),
                 {.trace = trace, .first = 8, .rules = {.top_k = 3, .form = ListForm::k_at_most}});
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message(), HasSubstr("token_ids[1]: expected id 9, as sent, found 6"));
}

TEST(RecordedReplies, IdsOfInterest) {
  const IdRows rows{.first = 3, .ids = {{5, 67, 1000}, {}, {90, 4000}, {3}, {6, 4095, 11}}};
  const auto reply = read_ids_reply(recorded("prompt_ids.json"),
                                    {.prompt = {.place = "prompt_logprobs",
                                                .tokens = kPrompt,
                                                .rules = {.top_k = 2},
                                                .wanted = std::vector<bool>(kPrompt.size(), true)},
                                     .rows = rows,
                                     .most_apart = 0});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_TRUE(carries_id(reply->id, "ids-1"));
  EXPECT_EQ(reply->model, "tiny");
  ASSERT_EQ(reply->prompt.size(), 7U);
  EXPECT_EQ(reply->prompt[0].scores.size(), 3U);
  EXPECT_EQ(
      reply->prompt[2],
      (PositionScores{
          3, {{67, -2.6429193F, 1}, {82, -2.9593256F, 2}, {5, -7.645849F, 251}, {1000, -13.244482F, 0}}}));
  EXPECT_EQ(reply->prompt[3].scores.size(), 2U);
  ASSERT_EQ(reply->prompt[6].scores.size(), 5U);
  EXPECT_EQ(reply->prompt[6].scores.back().id, 4095);
}

TEST(RecordedReplies, Refusals) {
  EXPECT_EQ(allowed_in(recorded("limit.json", 400).body), 20);
  EXPECT_THAT(recorded("no_scale_out.json", 403).body, HasSubstr("--enable-scale-out"));
  EXPECT_THAT(recorded("no_trace.json", 400).body, HasSubstr("--enable-trace-replay"));
  EXPECT_THAT(recorded("no_prompt_ids.json", 400).body, HasSubstr("requires the V2 model runner"));
}

}  // namespace
}  // namespace assay
