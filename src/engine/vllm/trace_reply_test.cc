#include "engine/vllm/trace_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/vllm/test_reply.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<TokenId> kTrace = {15, 16};

Result<TraceReply> read(const std::string& text) {
  return read_trace(reply_with(text),
                    {.trace = kTrace, .first = 40, .rules = {.top_k = 2, .form = ListForm::k_at_most}});
}

std::string refusal(const TraceParts& parts) {
  const auto reply = read(trace_text(parts));
  return reply ? "no error" : reply.error().message();
}

TEST(TraceReply, IsReadWhole) {
  const auto reply = read(trace_text());
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->id, "generate-tokens-run/0/1");
  EXPECT_EQ(reply->fingerprint, "");
  EXPECT_THAT(reply->positions, ElementsAre(PositionScores{40, {{9, -0.25F, 1}, {15, -2.5F, 3}}},
                                            PositionScores{41, {{16, -0.5F, 1}, {7, -1.5F, 2}}}));
}

TEST(TraceReply, TokensAreThoseOfTheTrace) {
  EXPECT_THAT(refusal({.token_ids = "[15,17]"}),
              HasSubstr("token_ids[1]: expected id 16, as sent, found 17"));
  EXPECT_THAT(refusal({.token_ids = "[15]"}), HasSubstr("the 2 ids that were sent, found 1 ids"))
      << "max_tokens of 16 cuts a trace short";
  EXPECT_THAT(refusal({.token_ids = "null"}), HasSubstr("token_ids"));
  const TraceParts parts;
  EXPECT_THAT(refusal({.second = parts.first}),
              HasSubstr("content[1]: expected token 16 of the trace, found 15"));
  EXPECT_THAT(refusal({.second = parts.second + "," + parts.second}),
              HasSubstr("expected 2 elements, found 3"));
}

TEST(TraceReply, AlternativesOfOldReleasesHaveLostTheirIds) {
  EXPECT_THAT(
      refusal({.first =
                   R"({"token":"token_id:15","logprob":-2.5,"top_logprobs":[)"
                   R"({"token":"token_id:15","logprob":-2.5},{"token":"token_id:15","logprob":-0.25}]})"}),
      HasSubstr("the ids of the alternatives, found the trace token's id in each"));
}

TEST(TraceReply, AListMayHoldOneMore) {
  const auto reply = read(trace_text({.first = R"({"token_id":15,"logprob":-2.5,"rank":3,"top_logprobs":[)"
                                               R"({"token_id":15,"logprob":-2.5,"rank":3},)"
                                               R"({"token_id":9,"logprob":-0.25,"rank":1},)"
                                               R"({"token_id":8,"logprob":-2.25,"rank":2}]})"}));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_THAT(reply->positions[0].scores,
              ElementsAre(TokenScore{9, -0.25F, 1}, TokenScore{8, -2.25F, 2}, TokenScore{15, -2.5F, 3}));
}

TEST(TraceReply, TokensSpelledAsIdsWithoutRanks) {
  const auto reply = read(trace_text(
      {.first = R"({"token":"token_id:15","logprob":-2.5,"bytes":null,"top_logprobs":[)"
                R"({"token":"token_id:15","logprob":-2.5},{"token":"token_id:9","logprob":-0.25}]})",
       .second = R"({"token":"token_id:16","logprob":-0.5,"top_logprobs":[)"
                 R"({"token":"token_id:16","logprob":-0.5},{"token":"token_id:7","logprob":-1.5}]})"}));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_THAT(reply->positions[0].scores, ElementsAre(TokenScore{9, -0.25F, 1}, TokenScore{15, -2.5F, 0}))
      << "as the last of the list it may be of any rank";
  EXPECT_THAT(reply->positions[1].scores, ElementsAre(TokenScore{16, -0.5F, 1}, TokenScore{7, -1.5F, 2}));
  EXPECT_THAT(refusal({.first = R"({"token":" a","logprob":-2.5,"top_logprobs":[]})"}),
              HasSubstr("token_id:N"));
}

TEST(TraceReply, SentinelsAreErrorsOfTheTraceToken) {
  EXPECT_THAT(
      refusal(
          {.first =
               R"({"token_id":15,"logprob":-9999.0,"rank":null,"top_logprobs":[)"
               R"({"token_id":15,"logprob":-9999.0,"rank":null},{"token_id":9,"logprob":-0.25,"rank":1}]})"}),
      HasSubstr("a log-probability of the trace token 15, found no probability"));
  EXPECT_THAT(refusal({.first = R"({"token_id":15,"logprob":-2.5,"rank":3,"top_logprobs":[]})"}),
              HasSubstr("2 or 3 ids, found 0"));
  EXPECT_THAT(
      refusal({.first =
                   R"({"token_id":15,"logprob":-2.5,"rank":3,"top_logprobs":[)"
                   R"({"token_id":15,"logprob":-2.25,"rank":3},{"token_id":9,"logprob":-0.25,"rank":1}]})"}),
      HasSubstr("expected -2.25, as in top_logprobs, found -2.5"));
  EXPECT_NE(refusal({.first = R"({"token_id":15,"logprob":NaN,"rank":3,"top_logprobs":[]})"}), "no error");
}

TEST(TraceReply, EveryTruncationIsAnError) {
  const std::string text = trace_text();
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(read(text.substr(0, size))) << size;
}

}  // namespace
}  // namespace assay
