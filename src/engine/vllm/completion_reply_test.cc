#include "engine/vllm/completion_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/splitmix.h"
#include "engine/vllm/test_reply.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<TokenId> kPrompt = {11, 22, 33};

CompletionAsked asked_for(Index top_k = 2, bool logprobs = true) {
  return {.prompt = {.tokens = kPrompt, .rules = {.top_k = top_k}, .wanted = std::vector<bool>(3, true)},
          .prompt_logprobs = true,
          .logprobs = logprobs,
          .generated = {.top_k = 2}};
}

Result<CompletionReply> read(const CompletionParts& parts, const CompletionAsked& asked = asked_for()) {
  return read_completion(reply_with(completion_text(parts)), asked);
}

std::string refusal(const CompletionParts& parts, const CompletionAsked& asked = asked_for()) {
  const auto reply = read(parts, asked);
  return reply ? "no error" : reply.error().message();
}

TEST(CompletionReply, IsReadWhole) {
  const auto reply = read({});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->id, "cmpl-run/0/1");
  EXPECT_EQ(reply->model, "m");
  EXPECT_EQ(reply->fingerprint, "vllm-0.11.0-tp1-1234abcd");
  EXPECT_THAT(reply->generated_ids, ElementsAre(318));
  EXPECT_THAT(reply->prompt,
              ElementsAre(PositionScores{1, {{198, -0.6875F, 1}, {22, -0.75F, 2}}},
                          PositionScores{2, {{5, -0.25F, 1}, {6, -1.75F, 2}, {33, -9.5F, 41}}}));
  EXPECT_THAT(reply->generated, ElementsAre(PositionScores{3, {{318, -0.125F, 1}, {11, -2.5F, 2}}}));
}

TEST(CompletionReply, KeepsOnlyWantedPositionsButChecksAll) {
  CompletionAsked asked = asked_for();
  asked.prompt.wanted = {false, false, true};
  ASSERT_TRUE(read({}, asked));
  EXPECT_EQ(read({}, asked)->prompt.size(), 1U);
  EXPECT_THAT(
      refusal({.second = R"({"22":{"logprob":NaN,"rank":2},"198":{"logprob":-0.6,"rank":1}})"}, asked),
      HasSubstr("choices[0].prompt_logprobs[1]"));
}

TEST(CompletionReply, FieldsMayComeInAnyOrder) {
  const auto reply = read_completion(
      reply_with(R"({"choices":[{"prompt_token_ids":[11,22,33],"finish_reason":"length","token_ids":[318],)"
                 R"("logprobs":{"top_logprobs":[{"token_id:318":-0.125}],"tokens":["token_id:318"],)"
                 R"("token_logprobs":[-0.125]},"prompt_logprobs":[null,{"22":{"rank":1,"logprob":-0.5}},)"
                 R"({"33":{"rank":4,"logprob":-3}}]}],"id":"a","model":"m"})"),
      {.prompt = {.tokens = kPrompt, .rules = {.top_k = 0}, .wanted = std::vector<bool>(3, true)},
       .prompt_logprobs = true,
       .logprobs = true,
       .generated = {.top_k = 0}});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_THAT(reply->prompt,
              ElementsAre(PositionScores{1, {{22, -0.5F, 1}}}, PositionScores{2, {{33, -3, 4}}}));
  EXPECT_EQ(reply->generated.front().scores.front().rank, 0) << "of one listed token nothing tells the rank";
}

TEST(CompletionReply, FirstEntryIsNullAndNoOther) {
  const std::string text = completion_text();
  const auto change = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    const auto reply = read_completion(reply_with(changed), asked_for());
    return reply ? "no error" : reply.error().message();
  };
  EXPECT_THAT(change("[null,", "[{\"11\":{\"logprob\":-1,\"rank\":1}},"),
              HasSubstr("nothing predicts the first token"));
  EXPECT_THAT(refusal({.second = "null"}), HasSubstr("prompt_logprobs[1]: expected an object"));
  EXPECT_THAT(change("[null,{", "[{"), HasSubstr("nothing predicts the first token"));
  EXPECT_THAT(change("[null,", "[null,null,"), HasSubstr("prompt_logprobs[1]: expected an object"));
}

TEST(CompletionReply, MissingAndSurplusPositionsAreErrors) {
  const std::string both = CompletionParts{}.third;
  EXPECT_THAT(refusal({.third = both + "," + both}), HasSubstr("expected 3 entries, found more"));
  std::string text = completion_text();
  const std::string third = "," + both;
  text.erase(text.find(third), third.size());
  const auto reply = read_completion(reply_with(text), asked_for());
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message(), HasSubstr("expected 3 entries, found 2"));
}

TEST(CompletionReply, KeysAreTokenIds) {
  for (const std::string key :
       {"a", "", "2a", "-22", "22 ", "+22", "2147483648", "99999999999999999999", "token_id:22"}) {
    EXPECT_THAT(refusal({.second = fmt::format(R"({{"{}":{{"logprob":-1,"rank":1}}}})", key)}),
                HasSubstr("token ids as keys"))
        << key;
  }
}

TEST(CompletionReply, ListsHoldKOrOneMore) {
  const std::string one = R"({"22":{"logprob":-0.75,"rank":1}})";
  EXPECT_THAT(refusal({.second = one}), HasSubstr("expected 2 or 3 ids, found 1"));
  EXPECT_THAT(refusal({}, asked_for(3)), HasSubstr("expected 3 or 4 ids, found 2"));
  EXPECT_THAT(refusal({}, asked_for(1)), HasSubstr("expected 1 or 2 ids, found 3"));
}

TEST(CompletionReply, OwnTokenAndEachIdOnce) {
  EXPECT_THAT(refusal({.second = R"({"23":{"logprob":-1,"rank":1},"198":{"logprob":-2,"rank":2}})"}),
              HasSubstr("the position's own token 22"));
  EXPECT_THAT(refusal({.second = R"({"22":{"logprob":-1,"rank":1},"22":{"logprob":-2,"rank":2}})"}),
              HasSubstr("id 22 twice"));
}

TEST(CompletionReply, MinusInfinityIsLeftOutExceptOfTheOwnToken) {
  const auto reply = read({.third = R"({"33":{"logprob":-0.5,"rank":1},"6":{"logprob":-9999.0,"rank":2}})"});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_THAT(reply->prompt[1].scores, ElementsAre(TokenScore{33, -0.5F, 1}));
  const CompletionParts own{.third = R"({"33":{"logprob":-9999.0,"rank":2},"6":{"logprob":-0.5,"rank":1}})"};
  EXPECT_THAT(refusal(own),
              HasSubstr("a log-probability of the position's own token 33, found no probability"));
  CompletionAsked asked = asked_for();
  asked.prompt.wanted = {false, true, false};
  EXPECT_TRUE(read(own, asked)) << "nobody asked for that position";
  EXPECT_THAT(refusal({.logprobs = R"({"token_logprobs":[-9999.0],"tokens":["token_id:318"],)"
                                   R"("top_logprobs":[{"token_id:318":-9999.0,"token_id:1":-0.5}]})"}),
              HasSubstr("a log-probability of the generated token 318, found no probability"));
}

TEST(CompletionReply, NumbersThatJsonLacksAreRefused) {
  for (const std::string number :
       {"NaN", "nan", "Infinity", "-Infinity", "inf", "null", "\"-1\"", "1e999", "-", "-1.", "01", ""}) {
    const std::string second =
        fmt::format(R"({{"22":{{"logprob":{},"rank":1}},"198":{{"logprob":-3,"rank":2}}}})", number);
    EXPECT_NE(refusal({.second = second}), "no error") << number;
    const std::string lists = fmt::format(
        R"({{"token_logprobs":[{0}],"tokens":["token_id:318"],"top_logprobs":[{{"token_id:318":{0},"token_id:1":-3}}]}})",
        number);
    EXPECT_NE(refusal({.logprobs = lists}), "no error") << number;
  }
}

TEST(CompletionReply, LogitsAreNoticed) {
  EXPECT_THAT(refusal({.second = R"({"22":{"logprob":17.5,"rank":1},"198":{"logprob":12,"rank":2}})"}),
              HasSubstr("raw_logits"));
  EXPECT_THAT(refusal({.second = R"({"22":{"logprob":-0.25,"rank":1},"198":{"logprob":-0.5,"rank":2}})"}),
              HasSubstr("probabilities that sum to 1.38"));
}

TEST(CompletionReply, RanksFollowTheValues) {
  EXPECT_THAT(refusal({.second = R"({"22":{"logprob":-1,"rank":2},"198":{"logprob":-2,"rank":1}})"}),
              HasSubstr("ranks in the order of the log-probabilities"));
  EXPECT_NE(refusal({.second = R"({"22":{"logprob":-1,"rank":-1},"198":{"logprob":-2,"rank":1}})"}),
            "no error");
  const auto ties = read({.second = R"({"22":{"logprob":-1,"rank":2},"198":{"logprob":-1,"rank":1}})"});
  ASSERT_TRUE(ties);
  EXPECT_THAT(ties->prompt[0].scores, ElementsAre(TokenScore{198, -1, 1}, TokenScore{22, -1, 2}));
  const auto unknown = read({.second = R"({"22":{"logprob":-1,"rank":null},"198":{"logprob":-2}})"});
  ASSERT_TRUE(unknown);
  EXPECT_THAT(unknown->prompt[0].scores, ElementsAre(TokenScore{22, -1, 1}, TokenScore{198, -2, 2}))
      << "k entries are the top k";
}

TEST(CompletionReply, RankOfOldReleasesOutsideTheTopIsDropped) {
  CompletionAsked asked = asked_for();
  asked.prompt.rules.own_ranks = false;
  const auto reply = read({.third = R"({"33":{"logprob":-9.5,"rank":3},"5":{"logprob":-0.25,"rank":1},)"
                                    R"("6":{"logprob":-1.75,"rank":2}})"},
                          asked);
  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->prompt[1].scores,
              ElementsAre(TokenScore{5, -0.25F, 1}, TokenScore{6, -1.75F, 2}, TokenScore{33, -9.5F, 0}));
  EXPECT_EQ(reply->prompt[0].scores[1].rank, 2) << "inside the top k it is known";
}

TEST(CompletionReply, EchoedIdsAreThoseSent) {
  EXPECT_THAT(refusal({.prompt_ids = "[11,23,33]"}),
              HasSubstr("prompt_token_ids[1]: expected id 22, as sent, found 23"));
  EXPECT_THAT(refusal({.prompt_ids = "[1,11,22,33]"}), HasSubstr("the 3 ids that were sent, found 4 ids"));
  EXPECT_THAT(refusal({.prompt_ids = "null"}), HasSubstr("prompt_token_ids: expected an array"));
  EXPECT_THAT(refusal({.prompt_ids = "[11,22,3300000000]"}), HasSubstr("a token id"));
  EXPECT_THAT(refusal({.token_ids = "[319]"}),
              HasSubstr("logprobs.tokens[0]: expected id 319, as sent, found 318"));
}

TEST(CompletionReply, TokensThatAreTextsAreErrors) {
  const std::string spelled = "tokens as token_id:N (return_tokens_as_token_ids)";
  EXPECT_THAT(
      refusal({.logprobs =
                   R"({"token_logprobs":[-0.125],"tokens":[" a"],"top_logprobs":[{" a":-0.125," b":-3}]})"}),
      HasSubstr(spelled));
  EXPECT_THAT(refusal({.logprobs = R"({"token_logprobs":[-0.125],"tokens":["token_id:318"],)"
                                   R"("top_logprobs":[{"token_id:318":-0.125,"\ufffd":-3}]})"}),
              HasSubstr(spelled));
  // Two tokens of one text: one of them is gone.
  EXPECT_THAT(refusal({.logprobs = R"({"token_logprobs":[-0.125],"tokens":["token_id:318"],)"
                                   R"("top_logprobs":[{"token_id:318":-0.125}]})"}),
              HasSubstr("2 or 3 ids, found 1"));
}

TEST(CompletionReply, ListsOfGeneratedTokensFitEachOther) {
  EXPECT_THAT(refusal({.logprobs = "null"}), HasSubstr("choices[0].logprobs: expected an object"));
  EXPECT_THAT(
      refusal({.logprobs = R"({"token_logprobs":[-0.125],"tokens":["token_id:318"],"top_logprobs":[]})"}),
      HasSubstr("top_logprobs: expected 1 elements, found 0"));
  EXPECT_THAT(refusal({.logprobs = R"({"token_logprobs":[],"tokens":["token_id:318"],)"
                                   R"("top_logprobs":[{"token_id:318":-0.125,"token_id:11":-2.5}]})"}),
              HasSubstr("token_logprobs: expected 1 elements, found 0"));
  EXPECT_THAT(refusal({.logprobs = R"({"token_logprobs":[-0.25],"tokens":["token_id:318"],)"
                                   R"("top_logprobs":[{"token_id:318":-0.125,"token_id:11":-2.5}]})"}),
              HasSubstr("expected -0.125, as in top_logprobs, found -0.25"));
}

TEST(CompletionReply, OwnTokenOutsideTheTopHasNoRankWhereNoneIsSent) {
  const auto reply =
      read({.logprobs = R"({"token_logprobs":[-4.5],"tokens":["token_id:318"],)"
                        R"("top_logprobs":[{"token_id:318":-4.5,"token_id:1":-0.5,"token_id:2":-1.5}]})"});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_THAT(reply->generated[0].scores,
              ElementsAre(TokenScore{1, -0.5F, 1}, TokenScore{2, -1.5F, 2}, TokenScore{318, -4.5F, 0}));
}

TEST(CompletionReply, FinishReasonAndCountAgree) {
  EXPECT_THAT(refusal({.finish = "\"abort\""}), HasSubstr("length or stop, found abort"));
  EXPECT_THAT(refusal({.finish = "null"}), HasSubstr("length or stop, found none"));
  CompletionAsked asked = asked_for();
  asked.most_tokens = 5;
  EXPECT_THAT(refusal({}, asked), HasSubstr("5 ids (finish_reason length), found 1"));
  EXPECT_EQ(refusal({.finish = "\"stop\""}, asked), "no error");
  EXPECT_THAT(refusal({.finish = "\"stop\"", .token_ids = "[]"}, asked), HasSubstr("1 to 5 ids, found 0"));
  asked.ignore_eos = true;
  EXPECT_THAT(refusal({.finish = "\"stop\""}, asked), HasSubstr("length (ignore_eos), found stop"));
}

TEST(CompletionReply, OneChoiceOneObject) {
  const auto message = [](const std::string& text) {
    const auto reply = read_completion(reply_with(text), asked_for());
    return reply ? "no error" : reply.error().message();
  };
  EXPECT_THAT(message(R"({"id":"a","choices":[]})"), HasSubstr("one choice, found none"));
  EXPECT_THAT(message(R"({"id":"a"})"), HasSubstr("one choice, found none"));
  EXPECT_THAT(message(R"([1])"), HasSubstr("a JSON object"));
  EXPECT_THAT(message(""), HasSubstr("a JSON object"));
  EXPECT_THAT(message("<html>502</html>"), HasSubstr("a JSON object"));
  EXPECT_THAT(message(completion_text() + completion_text()), HasSubstr("body"));
  EXPECT_THAT(message(completion_text() + " 1"), HasSubstr("body"));
  EXPECT_EQ(message(completion_text() + " \n"), "no error");
}

TEST(CompletionReply, EveryTruncationIsAnError) {
  const std::string text = completion_text();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(read_completion(reply_with(text.substr(0, size)), asked_for())) << size;
  }
}

// Bytes that are changed may give another valid reply, but no crash and no half result.
TEST(CompletionReply, ChangedBytesNeverCrash) {
  const std::string text = completion_text();
  SplitMix64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = text;
    for (std::uint64_t n = random.next() % 3 + 1; n > 0; --n) {
      changed[random.next() % changed.size()] = static_cast<char>(random.next());
    }
    const auto reply = read_completion(reply_with(changed), asked_for());
    if (!reply) continue;
    EXPECT_EQ(reply->prompt.size(), 2U);
    EXPECT_EQ(reply->generated.size(), 1U);
  }
}

// Servers widen float32 to double and print the shortest text that gives the double back.
TEST(CompletionReply, Float32BitsSurvive) {
  constexpr int kFloats = 1 << 16;
  SplitMix64 random(7);
  std::vector<float> sent;
  std::vector<TokenId> tokens = {1};
  std::string lists = "null";
  while (static_cast<int>(sent.size()) < kFloats) {
    const float value = -std::fabs(std::bit_cast<float>(static_cast<std::uint32_t>(random.next())));
    if (!std::isfinite(value) || value <= -9999) continue;
    sent.push_back(value);
    tokens.push_back(static_cast<TokenId>(sent.size()));
    lists += fmt::format(R"(,{{"{}":{{"logprob":{},"rank":1}}}})", tokens.back(), static_cast<double>(value));
  }
  const std::string text = fmt::format(
      R"({{"id":"a","model":"m","choices":[{{"finish_reason":"length","token_ids":[3],"prompt_token_ids":[{}],"prompt_logprobs":[{}]}}]}})",
      fmt::join(tokens, ","), lists);
  const auto reply = read_completion(
      reply_with(text),
      {.prompt = {.tokens = tokens, .rules = {.top_k = 1}, .wanted = std::vector<bool>(tokens.size(), true)},
       .prompt_logprobs = true});
  ASSERT_TRUE(reply) << reply.error().message();
  ASSERT_EQ(reply->prompt.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(reply->prompt[i].scores[0].logprob),
              std::bit_cast<std::uint32_t>(sent[i]));
  }
}

}  // namespace
}  // namespace assay
