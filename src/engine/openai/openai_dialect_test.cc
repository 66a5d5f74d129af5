#include "engine/openai/openai_dialect.h"

#include <gtest/gtest.h>

#include <functional>

#include "engine/openai/fake_openai.h"
#include "tokenizer/byte_tokenizer.h"

namespace assay {
namespace {

constexpr TokenId kEnd = 256;     // <|end|>
constexpr TokenId kBroken = 200;  // half a UTF-8 sequence

Tokenizer tokenizer_with(const std::vector<std::string>& special) {
  return *Tokenizer::parse(byte_tokenizer({}, special).dump(), "tokenizer.json");
}

// A dialect, and the probe of the server that it speaks to.
struct Talk {
  explicit Talk(FakeOpenai fake)
      : server(std::move(fake)), dialect(make_openai_dialect("m", server.tokenizer)), probe(probed()) {}

  Probe probed() const {
    FakeOpenai greedy = server;
    greedy.says.clear();
    auto found = dialect->probe([&](const HttpRequest& request) {
      if (request.url != "/v1/completions") return reply_of(std::string("no"), 404);
      return greedy.answer(*parse_json(request.body, "request"));
    });
    EXPECT_TRUE(found.ok()) << found.error().message();
    return *found;
  }
  Json answer(const HttpRequest& request) const {
    const HttpReply reply = server.answer(*parse_json(request.body, "request"));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return *parse_json(reply.body, "reply");
  }
  Json generated(const GenerateRequest& request) const {
    return answer(dialect->generate_request(request, probe, "x"));
  }
  Json scored(const ScoreRequest& request) const {
    return answer(dialect->score_request(request, probe, "x"));
  }
  Result<Generation> read(const GenerateRequest& request, const Json& reply) const {
    return dialect->read_generation(request, probe, "x", reply_of(reply));
  }
  Result<Scores> read(const ScoreRequest& request, const Json& reply) const {
    return dialect->read_scores(request, probe, "x", reply_of(reply));
  }

  FakeOpenai server;
  std::unique_ptr<Dialect> dialect;
  Probe probe;
};

GenerateRequest generate_three() {
  return {.prompt = {'1', '2', '3', '4'}, .max_new_tokens = 3, .top_k = 2, .last_positions = 2};
}
ScoreRequest score_of_five() {
  return {
      .tokens = {'1', '2', '3', '4', 52}, .prompt_length = 4, .asked = {{2, {'3', '9'}, 2}, {4, {52}, 3}}};
}
FakeOpenai texts_only() { return {.tokenizer = tokenizer_with({"<|end|>"}), .extended = false}; }
FakeOpenai full() { return {.tokenizer = tokenizer_with({"<|end|>"})}; }

std::string reason(const Result<Generation>& made) {
  if (!made) return "error: " + made.error().message();
  EXPECT_EQ(made->generated_ids.empty(), !lookup(made->served, "dropped").empty());
  return lookup(made->served, "dropped");
}

TEST(OpenaiDialectTest, RecordsIdsWhereTheServerGivesThem) {
  for (const bool content : {false, true}) {
    FakeOpenai server = full();
    server.content = content;
    const Talk talk(server);
    const GenerateRequest request = generate_three();
    const auto made = talk.read(request, talk.generated(request));
    ASSERT_TRUE(made.ok()) << made.error().message();
    EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{52, 49, 46}));
    ASSERT_EQ(made->prefill.size(), 2U);
    EXPECT_EQ(made->prefill[0].position, 2);
    EXPECT_NE(find_score(made->prefill[0].scores, '3'), nullptr);
    ASSERT_EQ(made->decode.size(), 2U);
    EXPECT_EQ(made->decode[0].position, 5);
    EXPECT_EQ(made->decode[0].scores[0], (TokenScore{49, FakeModel::logprob(5, 49), 1}));
    EXPECT_EQ(made->decode[0].scores.size(), 2U);
    EXPECT_EQ(lookup(made->served, "fingerprint"), "fp-1");
  }
}

TEST(OpenaiDialectTest, FindsIdsOfTexts) {
  const Talk talk(texts_only());
  EXPECT_EQ(lookup(talk.probe.identity, "ids"), "retokenized");
  const GenerateRequest request = generate_three();
  const Json reply = talk.generated(request);
  EXPECT_EQ(reply["choices"][0]["logprobs"]["tokens"].back(), ".");
  const auto made = talk.read(request, reply);
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(reason(made), "");
  EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{52, 49, 46}));
  EXPECT_EQ(made->decode[1].scores[0].rank, 1);
  EXPECT_EQ(made->prefill.size(), 2U);
}

TEST(OpenaiDialectTest, DropsWhatTextsDoNotTell) {
  FakeOpenai server = texts_only();
  server.says = {52, kBroken, 46};
  const GenerateRequest request = generate_three();
  EXPECT_NE(reason(Talk(server).read(request, Talk(server).generated(request))).find("token 1"),
            std::string::npos);

  server.tokenizer = tokenizer_with({"<|end|>", "\r"});  // 13 and 257 have one text
  server.says = {52, '\r', 46};
  EXPECT_NE(reason(Talk(server).read(request, Talk(server).generated(request))).find("token 1"),
            std::string::npos);

  const Talk talk(texts_only());
  const Json good = talk.generated(request);
  const auto with = [&](const std::function<void(Json&)>& change) {
    Json reply = good;
    change(reply["choices"][0]);
    return reason(talk.read(request, reply));
  };
  EXPECT_EQ(with([](Json&) {}), "");
  EXPECT_NE(with([](Json& choice) { choice["text"] = choice["text"].get<std::string>() + "x"; }).find("join"),
            std::string::npos);
  EXPECT_NE(with([](Json& choice) { choice["logprobs"]["tokens"].back() = ".."; }).find("token 2"),
            std::string::npos);
  EXPECT_NE(with([](Json& choice) { choice["logprobs"]["tokens"].back() = ""; }).find("token 2"),
            std::string::npos);
}

TEST(OpenaiDialectTest, TellsBrokenTextsByTheirBytes) {
  FakeOpenai server = texts_only();
  server.content = true;
  server.says = {52, kBroken, 46};
  const Talk talk(server);
  const GenerateRequest request = generate_three();
  Json reply = talk.generated(request);
  for (Json& step : reply["choices"][0]["logprobs"]["content"]) step.erase("id");
  Talk without_ids = Talk(server);
  for (auto& [key, value] : without_ids.probe.identity) {
    if (key == "ids") value = "retokenized";
  }
  reply["choices"][0]["text"] = "1234" + std::string("4") + "\xEF\xBF\xBD.";
  const auto made = without_ids.read(request, reply);
  ASSERT_TRUE(made.ok()) << made.error().message();
  // The bytes tell the ids, but not that the reply's text is made of them.
  EXPECT_NE(reason(made).find("join"), std::string::npos);
  EXPECT_FALSE(talk.read(request, reply).ok());  // a server that gave ids before
}

TEST(OpenaiDialectTest, TakesAnEndThatTheTextLeavesOut) {
  FakeOpenai server = texts_only();
  server.stops_after = 2;
  server.says = {52, kEnd};
  const Talk talk(server);
  const GenerateRequest request = generate_three();
  Json reply = talk.generated(request);
  EXPECT_EQ(talk.read(request, reply)->generated_ids, (std::vector<TokenId>{52, kEnd}));
  reply["choices"][0]["text"] = "12344";
  EXPECT_EQ(talk.read(request, reply)->generated_ids, (std::vector<TokenId>{52, kEnd}));
  reply["usage"]["completion_tokens"] = 3;  // one that is not shown
  EXPECT_TRUE(talk.read(request, reply).ok());
  reply["usage"]["completion_tokens"] = 4;
  EXPECT_FALSE(talk.read(request, reply).ok());
  reply["usage"].erase("completion_tokens");
  EXPECT_TRUE(talk.read(request, reply).ok());
  reply["choices"][0]["finish_reason"] = "length";
  EXPECT_FALSE(talk.read(request, reply).ok());
  reply["choices"][0]["finish_reason"] = "content_filter";
  EXPECT_FALSE(talk.read(request, reply).ok());

  server.stops_after = 0;
  server.says = {};
  FakeOpenai silent = server;
  reply = silent.reply_to(*parse_json(talk.dialect->generate_request(request, talk.probe, "x").body, "r"),
                          request.prompt);
  EXPECT_EQ(reason(talk.read(request, reply)), "nothing was generated");
}

TEST(OpenaiDialectTest, SpeaksInTextsToServersThatTakeNoIds) {
  FakeOpenai server = texts_only();
  server.takes_ids = false;
  const Talk talk(server);
  EXPECT_FALSE(talk.probe.capabilities.prompt_logprobs || talk.probe.capabilities.token_ids);
  const GenerateRequest request = generate_three();
  const HttpRequest asked = talk.dialect->generate_request(request, talk.probe, "x");
  EXPECT_EQ((*parse_json(asked.body, "r"))["prompt"], "1234");
  const auto made = talk.read(request, talk.answer(asked));
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{52, 49, 46}));
  EXPECT_TRUE(made->prefill.empty());
  EXPECT_EQ(made->decode.size(), 2U);

  GenerateRequest broken = request;
  broken.prompt = {'1', kBroken, '3', '4'};
  EXPECT_NE(reason(talk.read(broken, talk.answer(asked))).find("prompt"), std::string::npos);
  Json more = talk.answer(asked);
  more["usage"]["prompt_tokens"] = 5;
  EXPECT_NE(reason(talk.read(request, more)).find("prompt"), std::string::npos);
}

TEST(OpenaiDialectTest, ReadsScoresOfAnEcho) {
  for (FakeOpenai server : {full(), texts_only()}) {
    const Talk talk(server);
    const ScoreRequest request = score_of_five();
    const auto scores = talk.read(request, talk.scored(request));
    ASSERT_TRUE(scores.ok()) << scores.error().message();
    ASSERT_EQ(scores->positions.size(), 2U);
    EXPECT_EQ(scores->positions[0].position, 2);
    EXPECT_EQ(find_score(scores->positions[0].scores, '3')->logprob, FakeModel::logprob(2, '3'));
    EXPECT_EQ(scores->positions[1].scores[0].id, 52);
    EXPECT_EQ(scores->positions[1].scores.size(), 3U);
  }
}

TEST(OpenaiDialectTest, ChecksGreedyTokens) {
  const Talk talk(full());
  ScoreRequest request = score_of_five();
  request.check_tokens = true;
  auto scores = talk.read(request, talk.scored(request));
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_EQ(scores->tokens, (std::vector<TokenCheck>{{4, 1, 0, FakeModel::logprob(4, 52)}}));
  request.tokens[4] = FakeModel::at_place(4, 40);  // the k + 1st entry
  request.asked = {};
  scores = talk.read(request, talk.scored(request));
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_TRUE(scores->tokens.empty());
}

TEST(OpenaiDialectTest, RefusesRepliesToOtherRequests) {
  for (const FakeOpenai& server : {full(), texts_only()}) {
    const Talk talk(server);
    const ScoreRequest request = score_of_five();
    const Json good = talk.scored(request);
    ASSERT_TRUE(talk.read(request, good).ok());
    const auto refused = [&](const std::function<void(Json&)>& change) {
      Json reply = good;
      change(reply);
      return !talk.read(request, reply).ok();
    };
    const char* lists[] = {"tokens", "token_logprobs", "top_logprobs"};
    EXPECT_TRUE(refused([&](Json& reply) {
      Json& tokens = reply["choices"][0]["logprobs"]["tokens"];
      tokens[2] = server.extended ? "token_id:52" : "4";
    }));
    for (const char* list : lists) {
      EXPECT_TRUE(refused([&](Json& reply) { reply["choices"][0]["logprobs"][list].erase(2); })) << list;
      EXPECT_TRUE(refused([&](Json& reply) { reply["choices"][0]["logprobs"].erase(list); })) << list;
    }
    EXPECT_TRUE(refused([&](Json& reply) {
      for (const char* list : lists) reply["choices"][0]["logprobs"][list].erase(2);
    }));
    EXPECT_TRUE(refused([&](Json& reply) {
      for (const char* list : lists) {
        for (int i = 0; i < 3; ++i) reply["choices"][0]["logprobs"][list].erase(3);
      }
    }));
    EXPECT_TRUE(refused([](Json& reply) { reply["usage"]["prompt_tokens"] = 6; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["model"] = "another"; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"][0]["prompt_token_ids"] = {1, 2, 3, 4, 5}; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"].push_back(reply["choices"][0]); }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"] = Json::array(); }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"][0]["logprobs"] = nullptr; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"][0]["logprobs"]["token_logprobs"][2] = nullptr; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"][0]["logprobs"]["token_logprobs"][2] = -9999.0; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"][0]["logprobs"]["token_logprobs"][2] = 0.5; }));
    EXPECT_TRUE(refused([](Json& reply) { reply["choices"][0]["logprobs"]["top_logprobs"][2] = nullptr; }));
    EXPECT_TRUE(refused(
        [](Json& reply) { reply["choices"][0]["logprobs"]["top_logprobs"][2].begin().value() = nullptr; }));
    EXPECT_FALSE(refused([](Json& reply) { reply["choices"][0]["logprobs"]["token_logprobs"][0] = -1.0; }));
  }
}

TEST(OpenaiDialectTest, RefusesContradictingIds) {
  const Talk talk(full());
  const GenerateRequest request = generate_three();
  Json reply = talk.generated(request);
  reply["choices"][0]["token_ids"][1] = 5;
  EXPECT_FALSE(talk.read(request, reply).ok());
  reply["choices"][0]["token_ids"] = {52, 49};
  EXPECT_FALSE(talk.read(request, reply).ok());
}

TEST(OpenaiDialectTest, LeavesOutCollidingTexts) {
  FakeOpenai server = texts_only();
  server.tokenizer = tokenizer_with({"<|end|>", "\r"});  // 13 is at place 22 of position 3, 16 of position 1
  server.echoes = false;
  const Talk talk(server);
  GenerateRequest request = generate_three();
  request.top_k = 60;
  const Json good = talk.generated(request);
  auto made = talk.read(request, good);
  ASSERT_TRUE(made.ok()) << made.error().message();
  // Ranks count the token that is left out.
  const auto& scores = made->decode[0].scores;
  EXPECT_EQ(find_score(scores, 13), nullptr);
  EXPECT_EQ(find_score(scores, 12)->rank + 2, find_score(scores, 14)->rank);
  EXPECT_EQ(scores.size(), 59U);

  // One entry lost by a text that two had: no ranks; the own token is kept.
  Json lost = good;
  Json& top = lost["choices"][0]["logprobs"]["top_logprobs"][1];
  top.erase(top.begin());
  made = talk.read(request, lost);
  ASSERT_TRUE(made.ok()) << made.error().message();
  ASSERT_NE(find_score(made->decode[0].scores, 49), nullptr);
  EXPECT_EQ(find_score(made->decode[0].scores, 49)->rank, 0);
}

TEST(OpenaiDialectTest, ReadsAKeyThatComesTwice) {
  const Talk talk(texts_only());
  GenerateRequest request{.prompt = {'1', '2'}, .max_new_tokens = 1, .top_k = 3, .last_positions = 1};
  const auto read_top = [&](const std::string& top) {
    return talk.dialect->read_generation(
        request, talk.probe, "x",
        reply_of(
            R"({"model":"m","choices":[{"text":"12:","finish_reason":"length","logprobs":{)"
            R"("tokens":["1","2",":"],"token_logprobs":[null,-0.9,-0.5],"top_logprobs":[null,{"2":-0.9,"a":-1.5,"b":-3},)" +
            top + "]}}]}"));
  };
  // Two tokens of the text "x": neither is known. Two of the own text: its value says which is its own.
  auto made = read_top(R"({":":-0.5,"x":-2,"x":-3})");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->decode[0].scores.size(), 1U);
  EXPECT_EQ(made->decode[0].scores[0].logprob, -0.5F);
  made = read_top(R"({":":-3,":":-0.5,"x":-2})");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->decode[0].scores[0], (TokenScore{':', -0.5F, 0}));
  // The own token's entry was overwritten by another token's.
  made = read_top(R"({":":-3,"x":-2})");
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->decode[0].scores[0], (TokenScore{':', -0.5F, 0}));
}

TEST(OpenaiDialectTest, RefusesEveryTruncation) {
  for (const bool content : {false, true}) {
    FakeOpenai server = full();
    server.content = content;
    const Talk talk(server);
    const ScoreRequest request = score_of_five();
    const std::string whole = talk.scored(request).dump();
    const auto read_text = [&](const std::string& text) {
      return talk.dialect->read_scores(request, talk.probe, "x", reply_of(text)).ok();
    };
    ASSERT_TRUE(read_text(whole));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(read_text(whole.substr(0, size))) << size;
    EXPECT_FALSE(read_text(whole + "x"));
  }
}

TEST(OpenaiDialectTest, RefusesWhatItCannotSay) {
  const Talk talk(texts_only());
  GenerateRequest request = generate_three();
  EXPECT_TRUE(talk.dialect->allows(request, talk.probe).ok());
  request.ignore_eos = true;
  EXPECT_FALSE(talk.dialect->allows(request, talk.probe).ok());
  EXPECT_TRUE(Talk(full()).dialect->allows(request, Talk(full()).probe).ok());
  request.ignore_eos = false;
  request.sampling = {.sampler = Sampler::exponential_race, .temperature = 0.7};
  EXPECT_FALSE(talk.dialect->allows(request, talk.probe).ok());
  request.sampling.temperature = 1;
  EXPECT_TRUE(talk.dialect->allows(request, talk.probe).ok());
}

}  // namespace
}  // namespace assay
