#include "engine/sglang/sglang_dialect.h"

#include <gtest/gtest.h>

#include <bit>
#include <functional>

#include "engine/sglang/fake_sglang.h"

namespace assay {
namespace {

const auto kDialect = make_sglang_dialect("m", FakeModel::kVocabulary);
const Probe kAll{
    .capabilities = {.generates = true, .token_ids = true, .prompt_logprobs = true, .ids_of_interest = true},
    .identity = {}};

// Six tokens; 40 is far from the top at position 3.
ScoreRequest score_of_six() {
  return {
      .tokens = {10, 20, 30, 40, 52, 49}, .prompt_length = 4, .asked = {{3, {40, 41}, 2}, {5, {49, 7}, 3}}};
}

GenerateRequest generate_three() {
  return {.prompt = {10, 20, 30, 40}, .max_new_tokens = 3, .top_k = 2, .last_positions = 2};
}

Json body_of(const HttpRequest& request) { return *parse_json(request.body, "request"); }

Json good_scores(const ScoreRequest& request) {
  return fake_sglang(body_of(kDialect->score_request(request, kAll, "run-1")));
}

Result<Scores> read(const ScoreRequest& request, const Json& reply) {
  return kDialect->read_scores(request, kAll, "run-1", reply_of(reply));
}

// The reply after `change` of its meta_info is refused.
std::string refusal(const std::function<void(Json&)>& change) {
  const ScoreRequest request = score_of_six();
  Json reply = good_scores(request);
  change(reply["meta_info"]);
  const auto scores = read(request, reply);
  return scores ? "taken" : scores.error().message();
}

TEST(SglangDialectTest, AsksForScores) {
  const HttpRequest request = kDialect->score_request(score_of_six(), kAll, "run-1");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "/generate");
  const Json body = body_of(request);
  EXPECT_EQ(body["input_ids"], Json({10, 20, 30, 40, 52, 49}));
  EXPECT_EQ(body["rid"], "run-1");
  EXPECT_EQ(body["return_logprob"], true);
  EXPECT_EQ(body["logprob_start_len"], 2);  // one before the first position, 3
  EXPECT_EQ(body["top_logprobs_num"], 20);
  EXPECT_EQ(body["token_ids_logprob"], Json({7, 40, 41, 49}));
  EXPECT_EQ(body["return_text_in_logprobs"], false);
  EXPECT_EQ(body["sampling_params"]["max_new_tokens"], 1);
  for (const char* field :
       {"temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty",
        "repetition_penalty", "min_new_tokens", "ignore_eos", "skip_special_tokens", "no_stop_trim"}) {
    EXPECT_TRUE(body["sampling_params"].contains(field)) << field;
  }
  EXPECT_FALSE(body["sampling_params"].contains("sampling_seed"));
}

TEST(SglangDialectTest, AsksFromWhereItNeeds) {
  ScoreRequest request = score_of_six();
  request.check_tokens = true;
  request.asked = {{5, {49}, 2}};
  EXPECT_EQ(body_of(kDialect->score_request(request, kAll, "x"))["logprob_start_len"], 3);
  request.asked = {{1, {20}, 2}};
  EXPECT_EQ(body_of(kDialect->score_request(request, kAll, "x"))["logprob_start_len"], 0);
  request.asked[0].top_k = 50;
  EXPECT_EQ(body_of(kDialect->score_request(request, kAll, "x"))["top_logprobs_num"], 50);
  request.asked[0].ids.resize(257);
  for (TokenId id = 0; id < 257; ++id) request.asked[0].ids[static_cast<std::size_t>(id)] = id;
  EXPECT_FALSE(body_of(kDialect->score_request(request, kAll, "x")).contains("token_ids_logprob"));
}

TEST(SglangDialectTest, ReadsScores) {
  const ScoreRequest request = score_of_six();
  const auto scores = read(request, good_scores(request));
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  ASSERT_EQ(scores->positions.size(), 2U);
  const PositionScores& first = scores->positions[0];
  EXPECT_EQ(first.position, 3);
  ASSERT_EQ(first.scores.size(), 4U);  // the top two, and the ids of interest, whose rank is not known
  EXPECT_EQ(first.scores[0],
            (TokenScore{FakeModel::at_place(3, 0), FakeModel::logprob(3, FakeModel::at_place(3, 0)), 1}));
  EXPECT_EQ(first.scores[1].rank, 2);
  EXPECT_EQ(first.scores[2], (TokenScore{40, FakeModel::logprob(3, 40), 0}));
  EXPECT_EQ(first.scores[3], (TokenScore{41, FakeModel::logprob(3, 41), 0}));
  const PositionScores& second = scores->positions[1];
  EXPECT_EQ(second.scores.size(), 4U);  // 49 is at place 0
  EXPECT_EQ(second.scores[0].id, 49);
  EXPECT_EQ(find_score(second.scores, 7)->rank, 0);
  EXPECT_TRUE(scores->tokens.empty());
  EXPECT_EQ(lookup(scores->served, "cached_tokens"), "2");
  EXPECT_EQ(lookup(scores->served, "weight_version"), "default");
}

TEST(SglangDialectTest, KeepsFloat32Bits) {
  const ScoreRequest request{.tokens = {1, 2}, .prompt_length = 1, .asked = {{1, {2}, 1}}};
  for (const std::uint32_t bits : {0x00000001U, 0x33800001U, 0x3f051eb8U, 0x42c80001U, 0x00000000U}) {
    const float logprob = -std::bit_cast<float>(bits);
    Json reply = good_scores(request);
    Json& meta = reply["meta_info"];
    meta["input_token_logprobs"][1][0] = static_cast<double>(logprob);
    meta["input_token_ids_logprobs"][1][0][0] = static_cast<double>(logprob);
    meta["input_top_logprobs"][1] = Json::array({Json::array({static_cast<double>(logprob), 2, nullptr})});
    for (TokenId id = 3; id < 22; ++id) meta["input_top_logprobs"][1].push_back({-2000 - id, id, nullptr});
    const auto scores = read(request, reply);
    ASSERT_TRUE(scores.ok()) << scores.error().message();
    EXPECT_EQ(std::bit_cast<std::uint32_t>(scores->positions[0].scores[0].logprob),
              std::bit_cast<std::uint32_t>(logprob));
  }
}

TEST(SglangDialectTest, RefusesRepliesToOtherRequests) {
  EXPECT_NE(refusal([](Json& meta) { meta["id"] = "run-2"; }).find("run-2"), std::string::npos);
  EXPECT_NE(refusal([](Json& meta) { meta.erase("id"); }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_token_logprobs"][1][1] = 39; }).find("position 3"),
            std::string::npos);
  EXPECT_NE(refusal([](Json& meta) { meta["prompt_tokens"] = 7; }), "taken");
  EXPECT_NE(refusal([](Json& meta) {
              meta["finish_reason"] = {{"type", "abort"}, {"message", "out of memory"}};
            }).find("out of memory"),
            std::string::npos);
}

TEST(SglangDialectTest, RefusesMissingPositions) {
  for (const char* list : {"input_token_logprobs", "input_top_logprobs", "input_token_ids_logprobs"}) {
    EXPECT_NE(refusal([&](Json& meta) { meta[list].erase(2); }), "taken") << list;
    EXPECT_NE(refusal([&](Json& meta) { meta.erase(list); }), "taken") << list;
    EXPECT_NE(refusal([&](Json& meta) { meta[list].push_back(meta[list][2]); }), "taken") << list;
  }
  EXPECT_NE(refusal([](Json& meta) { meta["input_top_logprobs"][1] = nullptr; }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_top_logprobs"][1].erase(19); }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_token_ids_logprobs"][1][0][1] = 8; }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["output_token_logprobs"] = Json::array(); }), "taken");
}

TEST(SglangDialectTest, RefusesValuesThatAreNoLogProbabilities) {
  for (const Json& value : {Json(nullptr), Json(0.25), Json(-9999.0), Json("-1"), Json(true)}) {
    EXPECT_NE(refusal([&](Json& meta) { meta["input_token_logprobs"][1][0] = value; }), "taken") << value;
  }
  EXPECT_NE(refusal([](Json& meta) { meta["input_top_logprobs"][1][3][0] = nullptr; }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_top_logprobs"][1][3][1] = -3; }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_top_logprobs"][1][3][1] = 1LL << 40; }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_top_logprobs"][1][3] = Json::array({-1.0}); }), "taken");
  EXPECT_NE(refusal([](Json& meta) {
              meta["input_top_logprobs"][1][3][1] = meta["input_top_logprobs"][1][2][1];
            }).find("each id once"),
            std::string::npos);
  EXPECT_NE(refusal([](Json& meta) {
              for (Json& triple : meta["input_top_logprobs"][1]) {
                if (triple[1] != 7) triple[0] = -0.4;
              }
            }).find("sum"),
            std::string::npos);
  // An id of interest above the top k; an id with two values.
  EXPECT_NE(refusal([](Json& meta) { meta["input_token_ids_logprobs"][1][2][0] = -0.9; }), "taken");
  EXPECT_NE(refusal([](Json& meta) { meta["input_token_ids_logprobs"][3][3][0] = -0.75; }).find("one value"),
            std::string::npos);
}

TEST(SglangDialectTest, ReadsNaNAndInfinityAsPythonWritesThem) {
  const ScoreRequest request = score_of_six();
  Json reply = good_scores(request);
  reply["meta_info"]["input_top_logprobs"][1][19][0] = "HERE";
  reply["meta_info"]["input_token_ids_logprobs"][1][2][0] = "HERE";  // id 41
  std::string text = reply.dump();
  const auto with = [&](const std::string& value) {
    std::string changed = text;
    for (std::size_t at = changed.find("\"HERE\""); at != std::string::npos; at = changed.find("\"HERE\"")) {
      changed.replace(at, 6, value);
    }
    return kDialect->read_scores(request, kAll, "run-1", reply_of(changed));
  };
  for (const char* nothing : {"-Infinity", "-9999.0", "-999999999.0", "-Infinity "}) {
    const auto scores = with(nothing);
    ASSERT_TRUE(scores.ok()) << nothing << scores.error().message();
    EXPECT_EQ(find_score(scores->positions[0].scores, 41), nullptr);
    EXPECT_NE(find_score(scores->positions[0].scores, 40), nullptr);
  }
  for (const char* wrong : {"NaN", "Infinity", "null", "nan", "-1.0x", "-"})
    EXPECT_FALSE(with(wrong).ok()) << wrong;
}

TEST(SglangDialectTest, RefusesEveryTruncation) {
  const ScoreRequest request = score_of_six();
  const std::string whole = good_scores(request).dump();
  ASSERT_TRUE(kDialect->read_scores(request, kAll, "run-1", reply_of(whole)).ok());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(kDialect->read_scores(request, kAll, "run-1", reply_of(whole.substr(0, size))).ok()) << size;
  }
  EXPECT_FALSE(kDialect->read_scores(request, kAll, "run-1", reply_of(whole + "}")).ok());
  EXPECT_FALSE(kDialect->read_scores(request, kAll, "run-1", reply_of(whole + whole)).ok());
  EXPECT_FALSE(kDialect->read_scores(request, kAll, "run-1", reply_of("[" + whole + "]")).ok());
  EXPECT_FALSE(kDialect->read_scores(request, kAll, "run-1", reply_of(whole, 500)).ok());
  HttpReply tight = reply_of(whole);
  tight.body.shrink_to_fit();  // breaks the promise of HttpReply
  EXPECT_THROW(kDialect->read_scores(request, kAll, "run-1", tight).ok(), Fault);
  HttpReply cut = reply_of(whole);
  cut.transport = Transport::cut;
  EXPECT_FALSE(kDialect->read_scores(request, kAll, "run-1", cut).ok());
}

TEST(SglangDialectTest, ChecksGreedyTokensWhereAllRanksAreKnown) {
  ScoreRequest request = score_of_six();
  request.check_tokens = true;
  request.tokens[4] = FakeModel::at_place(4, 2);
  auto scores = read(request, good_scores(request));
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  ASSERT_EQ(scores->tokens.size(), 2U);
  EXPECT_EQ(scores->tokens[0].position, 4);
  EXPECT_EQ(scores->tokens[0].rank, 3);
  EXPECT_FLOAT_EQ(scores->tokens[0].margin, 1.4F);
  EXPECT_EQ(scores->tokens[1].rank, 1);
  EXPECT_EQ(scores->tokens[1].margin, 0);
  ASSERT_EQ(scores->positions.size(), 2U);

  request.tokens[4] = FakeModel::at_place(4, 30);
  scores = read(request, good_scores(request));
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_TRUE(scores->tokens.empty());

  request.tokens[4] = FakeModel::at_place(4, 2);
  request.sampling = {.sampler = Sampler::exponential_race, .temperature = 1};
  EXPECT_TRUE(read(request, good_scores(request))->tokens.empty());
}

TEST(SglangDialectTest, Generates) {
  GenerateRequest request = generate_three();
  const Json asked = body_of(kDialect->generate_request(request, kAll, "run-1"));
  EXPECT_EQ(asked["logprob_start_len"], 1);
  EXPECT_EQ(asked["sampling_params"]["max_new_tokens"], 3);
  EXPECT_EQ(asked["sampling_params"]["temperature"], 0.0);
  const auto read_it = [&](const Json& reply) {
    return kDialect->read_generation(request, kAll, "run-1", reply_of(reply));
  };
  auto made = read_it(fake_sglang(asked));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->prompt_ids, request.prompt);
  EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{52, 49, 46}));
  ASSERT_EQ(made->prefill.size(), 2U);
  EXPECT_EQ(made->prefill[0].position, 2);
  EXPECT_EQ(made->prefill[1].scores.size(), 3U);  // two and its own
  ASSERT_EQ(made->decode.size(), 2U);
  EXPECT_EQ(made->decode[0].position, 5);
  EXPECT_EQ(made->decode[0].scores[0], (TokenScore{49, FakeModel::logprob(5, 49), 1}));

  EXPECT_EQ(read_it(fake_sglang(asked, 2))->generated_ids.size(), 2U);  // stopped
  Json short_reply = fake_sglang(asked, 2);
  short_reply["meta_info"]["finish_reason"]["type"] = "length";
  EXPECT_FALSE(read_it(short_reply).ok());
  Json other_ids = fake_sglang(asked);
  other_ids["output_ids"][0] = 1;
  EXPECT_FALSE(read_it(other_ids).ok());
  other_ids.erase("output_ids");  // older releases
  EXPECT_TRUE(read_it(other_ids).ok());
  request.ignore_eos = true;
  EXPECT_FALSE(read_it(fake_sglang(asked, 2)).ok());
}

TEST(SglangDialectTest, RecordsEveryPositionWhereAsked) {
  GenerateRequest request = generate_three();
  request.last_positions = 0;
  const Json asked = body_of(kDialect->generate_request(request, kAll, "x"));
  EXPECT_EQ(asked["logprob_start_len"], 0);
  const auto made = kDialect->read_generation(request, kAll, "x", reply_of(fake_sglang(asked)));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->prefill.size(), 3U);
  EXPECT_EQ(made->decode.size(), 3U);

  GenerateRequest one{.prompt = {5}, .max_new_tokens = 1, .top_k = 1};
  const Json tiny = body_of(kDialect->generate_request(one, kAll, "x"));
  const auto single = kDialect->read_generation(one, kAll, "x", reply_of(fake_sglang(tiny)));
  ASSERT_TRUE(single.ok()) << single.error().message();
  EXPECT_TRUE(single->prefill.empty());
  EXPECT_EQ(single->decode.size(), 1U);
}

TEST(SglangDialectTest, SamplesAtTemperatureOneOnly) {
  GenerateRequest request = generate_three();
  EXPECT_TRUE(kDialect->allows(request, kAll).ok());
  request.sampling = {.sampler = Sampler::exponential_race, .temperature = 1, .seed = 5};
  EXPECT_TRUE(kDialect->allows(request, kAll).ok());
  EXPECT_EQ(body_of(kDialect->generate_request(request, kAll, "x"))["sampling_params"]["sampling_seed"], 5);
  request.sampling.temperature = 0.7;
  ASSERT_FALSE(kDialect->allows(request, kAll).ok());
  EXPECT_NE(kDialect->allows(request, kAll).error().message().find("temperature"), std::string::npos);
}

TEST(SglangDialectTest, ComputesAfreshFromTheStart) {
  GenerateRequest request = generate_three();
  request.afresh = true;
  EXPECT_EQ(body_of(kDialect->generate_request(request, kAll, "x"))["logprob_start_len"], 0);
}

}  // namespace
}  // namespace assay
