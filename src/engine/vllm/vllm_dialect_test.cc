#include "engine/vllm/vllm_dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/vllm/fake_vllm.h"

namespace assay {
namespace {

using testing::HasSubstr;

const std::vector<TokenId> kTokens = {5, 900, 17, 3, 2048, 77, 12};
constexpr Index kPromptLength = 4;

class VllmDialectTest : public testing::Test {
 protected:
  explicit VllmDialectTest(FakeVllm with = {}) : server(std::move(with)) {
    probe = *dialect->probe([&](HttpRequest request) { return server.answer(request); });
  }
  Result<Scores> score(const ScoreRequest& request) {
    const HttpReply reply = server.answer(dialect->score_request(request, probe, "run-1"));
    return dialect->read_scores(request, probe, "run-1", reply);
  }
  Result<Generation> generate(const GenerateRequest& request) {
    const HttpReply reply = server.answer(dialect->generate_request(request, probe, "run-2"));
    return dialect->read_generation(request, probe, "run-2", reply);
  }

  FakeVllm server;
  std::unique_ptr<Dialect> dialect = make_vllm_dialect("m");
  Probe probe;
};

ScoreRequest request_of(Replay replay, std::vector<AskedPosition> asked, bool check = false) {
  return {.tokens = kTokens,
          .prompt_length = kPromptLength,
          .asked = std::move(asked),
          .replay = replay,
          .check_tokens = check};
}

std::vector<TokenScore> truth(Index position) {
  return FakeVllm::scores_after(std::span(kTokens).first(static_cast<std::size_t>(position)));
}

void expect_true(const PositionScores& found, Index top_k, const std::vector<TokenId>& ids) {
  const auto all = truth(found.position);
  std::vector<TokenScore> wanted;
  for (const TokenScore& score : all) {
    if (score.rank <= top_k || std::find(ids.begin(), ids.end(), score.id) != ids.end())
      wanted.push_back(score);
  }
  EXPECT_EQ(found.scores, wanted) << found.position;
}

// As expect_true, where ranks of ids outside the top 20 are not known but of the own token.
void expect_scores(const PositionScores& found, Index top_k, const std::vector<TokenId>& ids) {
  PositionScores ranked = found;
  for (TokenScore& score : ranked.scores) {
    const auto all = truth(found.position);
    const TokenScore* known = find_score(all, score.id);
    ASSERT_NE(known, nullptr);
    if (score.rank == 0) {
      EXPECT_GT(known->rank, 20);
      score.rank = known->rank;
    }
  }
  expect_true(ranked, top_k, ids);
}

TEST_F(VllmDialectTest, PrefillReplayGivesTheNumbersThatWereAskedFor) {
  const TokenId listed = truth(3)[15].id;
  const TokenId unlisted = truth(3)[3000].id;
  const auto scores = score(
      request_of(Replay::prefill, {{3, {unlisted, listed}, 5}, {5, {}, 0}, {6, {kTokens[6]}, 20}}, true));
  ASSERT_TRUE(scores) << scores.error().message();
  ASSERT_EQ(scores->positions.size(), 3U);
  expect_scores(scores->positions[0], 5, {listed, unlisted, kTokens[3]});
  expect_true(scores->positions[1], 0, {kTokens[5]});
  expect_true(scores->positions[2], 20, {kTokens[6]});
  ASSERT_EQ(scores->tokens.size(), 3U);
  for (const TokenCheck& check : scores->tokens) {
    const auto all = truth(check.position);
    const TokenScore* own = find_score(all, kTokens[static_cast<std::size_t>(check.position)]);
    EXPECT_EQ(check.rank, own->rank);
    EXPECT_EQ(check.logprob, own->logprob);
    EXPECT_EQ(check.margin, all.front().logprob - own->logprob);
  }
  EXPECT_EQ(scores->served, Environment()) << "the route tells no fingerprint";
}

TEST_F(VllmDialectTest, WithoutIdsOfInterestTheTopKIsScored) {
  probe.capabilities.ids_of_interest = false;
  const TokenId listed = truth(3)[15].id;
  const TokenId unlisted = truth(3)[3000].id;
  const auto scores = score(request_of(Replay::prefill, {{3, {unlisted, listed}, 5}}));
  ASSERT_TRUE(scores) << scores.error().message();
  EXPECT_EQ(server.asked.back(), "/v1/completions");
  expect_true(scores->positions[0], 5, {listed, kTokens[3]});
  EXPECT_EQ(scores->served, (Environment{{"fingerprint", "vllm-0.30.0-tp1-0123abcd"}}));
}

TEST_F(VllmDialectTest, IdsOfInterestAreAskedWhereTheyAre) {
  const auto asked =
      request_of(Replay::prefill, {{3, {kTokens[3]}, 5}, {4, {kTokens[4], 7, 9}, 5}, {6, {8}, 5}});
  const HttpRequest request = dialect->score_request(asked, probe, "run-1");
  EXPECT_EQ(request.url, "/inference/v1/generate");
  const Json body = Json::parse(request.body);
  EXPECT_EQ(body["token_ids"], Json(kTokens));
  EXPECT_EQ(body["return_token_ids"], true);
  const Json& sampling = body["sampling_params"];
  EXPECT_EQ(sampling["max_tokens"], 1);
  EXPECT_EQ(sampling["prompt_logprobs"], 20);
  EXPECT_EQ(sampling["prompt_logprob_start"], 3) << "whose row is about token 4";
  EXPECT_EQ(sampling["prompt_logprob_token_ids"], Json::parse("[[7,9],[],[8]]"));
  const HttpReply reply = server.answer(request);
  EXPECT_TRUE(dialect->read_scores(asked, probe, "run-1", reply));
  EXPECT_THAT(dialect->read_scores(asked, probe, "run-7", reply).error().message(),
              HasSubstr("the request's id run-7, found generate-tokens-run-1"));
  server.model = "n";
  EXPECT_THAT(score(asked).error().message(), HasSubstr("model: expected m, found n"));
}

TEST_F(VllmDialectTest, MoreIdsThanTheServerTakesAreNotAsked) {
  AskedPosition many{.position = 3, .ids = {}, .top_k = 5};
  for (TokenId id = 1000; id < 1021; ++id) many.ids.push_back(id);
  const auto scores = score(request_of(Replay::prefill, {many, {5, {many.ids[0]}, 5}}));
  ASSERT_TRUE(scores) << scores.error().message();
  EXPECT_EQ(server.asked.back(), "/inference/v1/generate");
  EXPECT_EQ(find_score(scores->positions[0].scores, 1000), nullptr);
  EXPECT_NE(find_score(scores->positions[1].scores, 1000), nullptr);
}

TEST_F(VllmDialectTest, BitsOfABatchInvariantServerAgree) {
  const auto asked = request_of(Replay::prefill, {{3, {truth(3)[0].id, truth(3)[3000].id}, 5}});
  server.apart = -0.125F;
  EXPECT_TRUE(score(asked));
  probe.capabilities.batch_invariant = true;
  EXPECT_THAT(score(asked).error().message(), HasSubstr("as in prompt_logprobs"));
}

TEST_F(VllmDialectTest, PrefillRequestSaysEverything) {
  const auto asked = request_of(Replay::prefill, {{3, {}, 5}});
  const HttpRequest request = dialect->score_request(asked, probe, "run-1");
  EXPECT_EQ(request.url, "/v1/completions");
  const Json body = Json::parse(request.body);
  EXPECT_EQ(body["prompt"], Json(kTokens));
  EXPECT_EQ(body["prompt_logprobs"], 20) << "more than asked, so that a prover's ids are mostly among them";
  EXPECT_EQ(body["request_id"], "run-1");
  const Json fixed = {{"max_tokens", 1},
                      {"temperature", 0.0},
                      {"top_p", 1},
                      {"top_k", -1},
                      {"min_p", 0},
                      {"n", 1},
                      {"stream", false},
                      {"seed", 0},
                      {"presence_penalty", 0},
                      {"frequency_penalty", 0},
                      {"repetition_penalty", 1},
                      {"add_special_tokens", false},
                      {"return_token_ids", true},
                      {"return_tokens_as_token_ids", true}};
  for (const auto& [key, value] : fixed.items()) {
    EXPECT_EQ(body[key], value) << key;
  }
  EXPECT_FALSE(body.contains("logprobs"));
  const auto salt = body["cache_salt"].get<std::string>();
  EXPECT_LE(salt.size(), 128U);
  EXPECT_EQ(salt.find_first_of("@/\\"), salt.npos) << "vLLM 0.32 refuses them";
  const Json other = Json::parse(dialect->score_request(asked, probe, "run-2").body);
  EXPECT_NE(body["cache_salt"], other["cache_salt"]);
  EXPECT_NE(body["cache_salt"],
            Json::parse(make_vllm_dialect("m")->score_request(asked, probe, "run-1").body)["cache_salt"]);
}

TEST_F(VllmDialectTest, DecodeReplayForcesTheTrace) {
  const auto request = request_of(Replay::decode, {{4, {}, 3}, {6, {}, 3}}, true);
  const auto scores = score(request);
  ASSERT_TRUE(scores) << scores.error().message();
  EXPECT_EQ(server.asked.back(), "/inference/v1/generate");
  const std::vector<TokenId> trace(kTokens.begin() + kPromptLength, kTokens.end());
  EXPECT_EQ(server.last["token_ids"],
            Json(std::vector<TokenId>(kTokens.begin(), kTokens.begin() + kPromptLength)));
  EXPECT_EQ(server.last["sampling_params"]["trace_decode_token_ids"], Json(trace));
  EXPECT_EQ(server.last["sampling_params"]["max_tokens"], 3) << "left out, it is 16";
  ASSERT_EQ(scores->positions.size(), 2U);
  expect_true(scores->positions[0], 3, {kTokens[4]});
  expect_true(scores->positions[1], 3, {kTokens[6]});
  EXPECT_EQ(scores->tokens.size(), 3U);
}

TEST_F(VllmDialectTest, ChecksOnlyGreedyTokens) {
  auto request = request_of(Replay::prefill, {}, true);
  EXPECT_EQ(score(request)->tokens.size(), 3U);
  request.sampling = {Sampler::exponential_race, 1, 3};
  EXPECT_TRUE(score(request)->tokens.empty());
  server.old_ranks = true;
  probe.capabilities.ranks = false;
  request.sampling = {};
  EXPECT_TRUE(score(request)->tokens.empty()) << "unknown ranks";
}

TEST_F(VllmDialectTest, RepliesBelongToTheirRequest) {
  const auto request = request_of(Replay::prefill, {{3, {}, 5}});
  const HttpReply reply = server.answer(dialect->score_request(request, probe, "run-1"));
  EXPECT_TRUE(dialect->read_scores(request, probe, "run-1", reply));
  const auto wrong = dialect->read_scores(request, probe, "run-7", reply);
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("the request's id run-7, found cmpl-run-1"));
  auto other = request;
  other.tokens[2] = 18;
  EXPECT_FALSE(dialect->read_scores(other, probe, "run-1", reply));
  server.model = "n";
  EXPECT_THAT(score(request).error().message(), HasSubstr("model: expected m, found n"));
}

TEST_F(VllmDialectTest, GeneratesAsARecordHoldsIt) {
  const GenerateRequest request{.prompt = kTokens, .max_new_tokens = 5, .top_k = 4, .last_positions = 2};
  const auto made = generate(request);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->prompt_ids, kTokens);
  ASSERT_EQ(made->generated_ids.size(), 5U);
  ASSERT_EQ(made->prefill.size(), 2U);
  EXPECT_EQ(made->prefill[0].position, 5);
  expect_true(made->prefill[0], 4, {kTokens[5]});
  expect_true(made->prefill[1], 4, {kTokens[6]});
  ASSERT_EQ(made->decode.size(), 2U);
  EXPECT_EQ(made->decode[0].position, 10);
  std::vector<TokenId> all = kTokens;
  all.insert(all.end(), made->generated_ids.begin(), made->generated_ids.end() - 1);
  auto wanted = FakeVllm::scores_after(all);
  wanted.resize(4);
  EXPECT_EQ(made->decode[1].scores, wanted);
  EXPECT_EQ(made->generated_ids.back(), wanted.front().id);
}

TEST_F(VllmDialectTest, ScaledLogprobsAreRefused) {
  GenerateRequest request{.prompt = kTokens, .max_new_tokens = 1};
  request.sampling = {Sampler::exponential_race, 0.7, 1};
  EXPECT_TRUE(dialect->allows(request, probe));
  Probe scaled = probe;
  scaled.identity.emplace_back("logprobs_mode", "processed_logprobs");
  EXPECT_EQ(dialect->allows(request, scaled).error().key, "temperature");
  request.sampling.temperature = 1;
  EXPECT_TRUE(dialect->allows(request, scaled));
}

TEST_F(VllmDialectTest, GenerateRequestFollowsSampling) {
  const GenerateRequest request{.prompt = kTokens,
                                .max_new_tokens = 5,
                                .top_k = 4,
                                .last_positions = 0,
                                .ignore_eos = true,
                                .sampling = {Sampler::exponential_race, 0.5, 42}};
  const Json body = Json::parse(dialect->generate_request(request, probe, "a").body);
  EXPECT_EQ(body["temperature"], 0.5);
  EXPECT_EQ(body["seed"], 42);
  EXPECT_EQ(body["ignore_eos"], true);
  EXPECT_EQ(body["max_tokens"], 5);
  EXPECT_EQ(body["logprobs"], 4);
  EXPECT_EQ(body["prompt_logprobs"], 4);
  const GenerateRequest single{.prompt = {7}, .max_new_tokens = 5, .top_k = 4};
  EXPECT_FALSE(Json::parse(dialect->generate_request(single, probe, "a").body).contains("prompt_logprobs"))
      << "no position of such a prompt is recorded";
  const auto made = generate(single);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->prefill.empty());
  EXPECT_EQ(made->decode.size(), 3U);
}

}  // namespace
}  // namespace assay
