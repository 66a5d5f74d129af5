#include "engine/vllm/ids_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/base64.h"
#include "engine/vllm/test_npy.h"
#include "engine/vllm/test_reply.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float kNothing = -std::numeric_limits<float>::infinity();
const std::vector<TokenId> kPrompt = {11, 22, 33, 44};
// Of token 33 (position 2) the ids 6 and 900; of token 44 the id 5.
const IdRows kRows{.first = 2, .ids = {{6, 900}, {5}}};

// Top 2: token 33 is of rank 41, the others are the second.
struct Parts {
  std::string prompt_ids = "[11,22,33,44]";
  std::string finish = "\"length\"";
  std::string third = R"({"33":{"logprob":-9.5,"rank":41},"5":{"logprob":-0.25,"rank":1},)"
                      R"("6":{"logprob":-1.75,"rank":2}})";
  std::string table = base64_of(npy_of(2, 2, {-1.75F, -4.5F, -8, kNothing}));
};

Parts with_values(const std::vector<float>& values) { return {.table = base64_of(npy_of(2, 2, values))}; }

std::string text_of(const Parts& parts) {
  return fmt::format(
      R"({{"request_id":"generate-tokens-a-1","model":"m","prompt_logprobs":[null,)"
      R"({{"22":{{"logprob":-0.75,"rank":2}},"198":{{"logprob":-0.6875,"rank":1}}}},{},)"
      R"({{"44":{{"logprob":-0.5,"rank":1}},"7":{{"logprob":-1.5,"rank":2}}}}],"prompt_token_id_logprobs":"{}",)"
      R"("prompt_token_ids":{},"choices":[{{"index":0,"finish_reason":{},"token_ids":[5],"logprobs":null}}]}})",
      parts.third, parts.table, parts.prompt_ids, parts.finish);
}

Result<IdsReply> read(const std::string& text, float most_apart = kMostApart) {
  return read_ids_reply(reply_with(text), {.prompt = {.place = "prompt_logprobs",
                                                      .tokens = kPrompt,
                                                      .rules = {.top_k = 2},
                                                      .wanted = {false, false, true, true}},
                                           .rows = kRows,
                                           .most_apart = most_apart});
}

std::string refusal(const Parts& parts, float most_apart = kMostApart) {
  const auto reply = read(text_of(parts), most_apart);
  return reply ? "no error" : reply.error().message();
}

TEST(IdsReply, IdsJoinThePositionsInOrder) {
  const auto reply = read(text_of({}));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->id, "generate-tokens-a-1");
  EXPECT_EQ(reply->model, "m");
  EXPECT_THAT(
      reply->prompt,
      ElementsAre(PositionScores{2, {{5, -0.25F, 1}, {6, -1.75F, 2}, {900, -4.5F, 0}, {33, -9.5F, 41}}},
                  PositionScores{3, {{44, -0.5F, 1}, {7, -1.5F, 2}, {5, -8, 0}}}));
}

TEST(IdsReply, AnEqualValueStandsBehindTheRankedOne) {
  const auto reply = read(text_of(with_values({-1.75F, -9.5F, kNothing, kNothing})));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_THAT(reply->prompt[0].scores, ElementsAre(TokenScore{5, -0.25F, 1}, TokenScore{6, -1.75F, 2},
                                                   TokenScore{33, -9.5F, 41}, TokenScore{900, -9.5F, 0}));
  EXPECT_EQ(reply->prompt[1].scores.size(), 2U) << "an id without probability is left out";
}

TEST(IdsReply, BothValuesOfAnIdAgree) {
  const Parts rounded = with_values({-1.875F, -4.5F, -8, kNothing});
  const auto reply = read(text_of(rounded));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(find_score(reply->prompt[0].scores, 6)->logprob, -1.75F) << "the one that has the rank";
  EXPECT_THAT(refusal(rounded, 0), HasSubstr("prompt_token_id_logprobs[0]: expected -1.75 for id 6, as in "
                                             "prompt_logprobs, found -1.875"));
  EXPECT_EQ(refusal({}, 0), "no error");
  for (const float value : {-3.0F, kNothing}) {
    EXPECT_THAT(refusal(with_values({value, -4.5F, -8, kNothing})), HasSubstr("as in prompt_logprobs"));
  }
}

TEST(IdsReply, ValuesAreLogProbabilities) {
  for (const float value :
       {0.5F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(refusal(with_values({-1.75F, value, -8, kNothing})),
                HasSubstr("prompt_token_id_logprobs[0]: expected log-probabilities <= 0"));
  }
  EXPECT_THAT(refusal(with_values({-1.75F, -4.5F, -8, -3})),
              HasSubstr("[1]: expected 1 values, found -3 behind"));
  EXPECT_THAT(refusal(with_values({-1.75F, -2.5F, -8, kNothing})),
              HasSubstr("probabilities that sum to 1 at most, found 1.03"));
}

TEST(IdsReply, TheTableIsOneOfTheRows) {
  const auto with_table = [](std::string table) { return Parts{.table = std::move(table)}; };
  EXPECT_THAT(refusal(with_table("")), HasSubstr("the scores of the ids, found none"));
  EXPECT_THAT(refusal(with_table("AAA")), HasSubstr("groups of 4 characters"));
  EXPECT_THAT(refusal(with_table("AAAA")), HasSubstr("npy magic"));
  EXPECT_THAT(refusal(with_table(base64_of(npy_of(1, 2, {-1.75F, -4.5F})))),
              HasSubstr("2 x 2 values, found 1 x 2"));
  EXPECT_THAT(refusal(with_table(base64_of(npy_of(2, 1, {-1.75F, -8})))), HasSubstr("found 2 x 1"));
  std::string text = text_of({});
  text.replace(text.find("prompt_token_id_logprobs"), 6, "PROMPT");
  EXPECT_THAT(read(text).error().message(), HasSubstr("the scores of the ids, found none"))
      << "releases that do not know the field";
}

TEST(IdsReply, TheRestIsAsAsked) {
  EXPECT_THAT(refusal({.prompt_ids = "[11,22,33,45]"}),
              HasSubstr("prompt_token_ids[3]: expected id 44, as sent"));
  EXPECT_THAT(refusal({.prompt_ids = "null"}), HasSubstr("prompt_token_ids: expected an array"));
  EXPECT_THAT(refusal({.finish = "\"abort\""}), HasSubstr("length or stop, found abort"));
  EXPECT_THAT(refusal({.finish = "null"}), HasSubstr("length or stop, found none"));
  EXPECT_THAT(refusal({.third = R"({"34":{"logprob":-1,"rank":1},"6":{"logprob":-1.75,"rank":2}})"}),
              HasSubstr("prompt_logprobs[2]: expected the position's own token 33"));
  EXPECT_THAT(refusal({.third = "null"}), HasSubstr("prompt_logprobs[2]"));
}

TEST(IdsReply, EveryTruncationIsAnError) {
  const std::string text = text_of({});
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(read(text.substr(0, size))) << size;
}

TEST(IdRows, StartAtTheFirstAskedPosition) {
  ScoreRequest request{.tokens = kPrompt, .prompt_length = 4, .asked = {{1, {22}, 3}, {2, {6, 33, 900}, 3}}};
  const IdRows rows = id_rows(request, 2);
  EXPECT_EQ(rows.first, 2) << "a position's own token is scored anyway";
  EXPECT_THAT(rows.ids, ElementsAre(ElementsAre(6, 900), ElementsAre()));
  EXPECT_EQ(rows.width(), 2);
  EXPECT_TRUE(rows.at(1).empty() && rows.at(3).empty());
  EXPECT_TRUE(id_rows(request, 1).ids.empty()) << "more than the server takes: none";
  EXPECT_EQ(id_rows(request, 0).width(), 2);
  request.asked.clear();
  EXPECT_TRUE(id_rows(request, 0).ids.empty());
}

}  // namespace
}  // namespace assay
