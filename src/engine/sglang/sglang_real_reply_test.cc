// Replies of a real server: SGLang 0.5.23 on a CPU (--device cpu --attention-backend torch_native --dtype float32) with
// models/tiny-qwen3, but for times. The prompt has id 4095, the vocabulary's last.
#include <gtest/gtest.h>

#include "engine/remote/fake_model.h"
#include "engine/sglang/sglang_dialect.h"

namespace assay {
namespace {

constexpr const char* kScoreReply = R"(
{"text":"\n\n","output_ids":[266],"meta_info":{"id":"score-1","finish_reason":{"type":"length","length":1},
"prompt_tokens":6,"weight_version":"default","num_retractions":0,"input_token_logprobs":[[null,20,null],
[-10.540910720825195,30,null],[-6.7720818519592285,0,null],[-13.10695743560791,40,null],[-10.98633861541748,
50,null]],"output_token_logprobs":[[-0.5040187835693359,266,null]],"output_token_logprobs_length":1,
"input_top_logprobs":[null,[[-1.6492623090744019,17,null],[-1.7904051542282104,266,null]],
[[-1.0015511512756348,16,null],[-2.212409019470215,17,null]],[[-0.0014429405564442277,198,null],
[-7.903602600097656,266,null]],[[-1.0857206583023071,82,null],[-2.2590079307556152,654,null]]],
"output_top_logprobs":[[[-0.5040187835693359,266,null],[-2.068448066711426,198,null]]],
"input_token_ids_logprobs":[null,[[-7.417076110839844,7,null],[-5.388535976409912,4095,null]],
[[-6.91735315322876,7,null],[-6.7720818519592285,4095,null]],[[-17.628761291503906,7,null],
[-15.240264892578125,4095,null]],[[-6.968872547149658,7,null],[-9.11385440826416,4095,null]]],
"output_token_ids_logprobs":[[[-7.294665336608887,7,null],[-7.772798538208008,4095,null]]],
"reasoning_tokens":0,"completion_tokens":1,"cached_tokens":1,"weight_versions":[{"version":"default",
"start":0,"end":1}],"cached_tokens_details":{"device":1,"host":0},"dp_rank":null}})";

constexpr const char* kGenerateReply = R"(
{"text":"\n\nS","output_ids":[266,50],"meta_info":{"id":"generate-1","finish_reason":{"type":"length",
"length":2},"prompt_tokens":6,"weight_version":"default","num_retractions":0,"input_token_logprobs":[[null,
30,null],[-6.7720818519592285,0,null],[-13.10695743560791,40,null],[-10.98633861541748,50,null]],
"output_token_logprobs":[[-0.5040187835693359,266,null],[-1.7574714422225952,50,null]],
"output_token_logprobs_length":2,"input_top_logprobs":[null,[[-1.0015511512756348,16,null],
[-2.212409019470215,17,null]],[[-0.0014429405564442277,198,null],[-7.903602600097656,266,null]],
[[-1.0857206583023071,82,null],[-2.2590079307556152,654,null]]],
"output_top_logprobs":[[[-0.5040187835693359,266,null],[-2.068448066711426,198,null]],[[-1.7574714422225952,
50,null],[-2.284567356109619,46,null]]],"reasoning_tokens":0,"completion_tokens":2,"cached_tokens":2,
"weight_versions":[{"version":"default","start":0,"end":2}],"cached_tokens_details":{"device":2,"host":0},
"dp_rank":null}})";

const std::vector<TokenId> kTokens = {4094, 20, 30, 4095, 40, 50};
const Probe kTwo{.capabilities = {.generates = true,
                                  .token_ids = true,
                                  .prompt_logprobs = true,
                                  .ids_of_interest = true,
                                  .most_top_k = 2},
                 .identity = {}};

ScoreRequest score_request() {
  ScoreRequest request{.tokens = kTokens, .prompt_length = 4, .asked = {}};
  for (Index position = 2; position < 6; ++position) request.asked.push_back({position, {7, 4095}, 2});
  return request;
}

Result<Scores> read_score(Index vocabulary) {
  return make_sglang_dialect("tiny", vocabulary)
      ->read_scores(score_request(), kTwo, "score-1", reply_of(std::string(kScoreReply)));
}

TEST(SglangRealReplyTest, IsWhatTheRequestAsksFor) {
  const auto request = make_sglang_dialect("tiny", 4096)->score_request(score_request(), kTwo, "score-1");
  const Json body = *parse_json(request.body, "request");
  EXPECT_EQ(body["logprob_start_len"], 1);
  EXPECT_EQ(body["top_logprobs_num"], 2);
  EXPECT_EQ(body["token_ids_logprob"], Json({7, 4095}));
}

TEST(SglangRealReplyTest, ReadsScoresWithTheLastIdOfTheVocabulary) {
  const auto scores = read_score(4096);
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  ASSERT_EQ(scores->positions.size(), 4U);
  EXPECT_EQ(scores->positions[1].scores, (std::vector<TokenScore>{{16, -1.0015511512756348F, 1},
                                                                  {17, -2.212409019470215F, 2},
                                                                  {4095, -6.7720818519592285F, 0},
                                                                  {7, -6.91735315322876F, 0}}));
  EXPECT_EQ(lookup(scores->served, "cached_tokens"), "1");
  EXPECT_EQ(lookup(scores->served, "weight_version"), "default");
}

TEST(SglangRealReplyTest, TakesNoOtherIdForTheOneThatWasSent) {
  for (const Index vocabulary : {4095, 4097}) {
    const auto scores = read_score(vocabulary);
    ASSERT_FALSE(scores.ok());
    EXPECT_NE(scores.error().message().find("position 3"), std::string::npos) << scores.error().message();
  }
}

TEST(SglangRealReplyTest, ReadsAGeneration) {
  const GenerateRequest request{
      .prompt = kTokens, .max_new_tokens = 2, .top_k = 2, .last_positions = 3, .ignore_eos = true};
  const auto made = make_sglang_dialect("tiny", 4096)
                        ->read_generation(request, kTwo, "generate-1", reply_of(std::string(kGenerateReply)));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{266, 50}));
  ASSERT_EQ(made->prefill.size(), 3U);
  EXPECT_EQ(find_score(made->prefill[0].scores, 4095)->logprob, -6.7720818519592285F);
  ASSERT_EQ(made->decode.size(), 2U);
  EXPECT_EQ(made->decode[0].scores,
            (std::vector<TokenScore>{{266, -0.5040187835693359F, 1}, {198, -2.068448066711426F, 2}}));
}

}  // namespace
}  // namespace assay
