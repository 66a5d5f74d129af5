#include <gtest/gtest.h>

#include "engine/openai/fake_openai.h"
#include "engine/openai/openai_dialect.h"
#include "tokenizer/byte_tokenizer.h"

namespace assay {
namespace {

Tokenizer bytes_tokenizer() {
  return *Tokenizer::parse(byte_tokenizer({}, {"<|end|>"}).dump(), "tokenizer.json");
}

Result<Probe> probe(const FakeOpenai& server,
                    const std::string& models = R"({"data":[{"id":"m","max_model_len":2048}]})") {
  return make_openai_dialect("m", server.tokenizer)->probe([&](const HttpRequest& request) {
    if (request.url == "/v1/models") return reply_of(models);
    if (request.url == "/version") return reply_of(Json{{"version", "1.2"}});
    if (request.url != "/v1/completions") return reply_of(std::string("no"), 404);
    return server.answer(*parse_json(request.body, "request"));
  });
}

TEST(OpenaiProbeTest, FindsWhatAServerCanDo) {
  const auto found = probe({.tokenizer = bytes_tokenizer()});
  ASSERT_TRUE(found.ok()) << found.error().message();
  const Capabilities& can = found->capabilities;
  EXPECT_TRUE(can.generates && can.token_ids && can.prompt_logprobs);
  EXPECT_FALSE(can.ranks || can.forced_decode || can.ids_of_interest);
  EXPECT_EQ(can.most_top_k, 20);  // 100 is refused
  EXPECT_EQ(found->context_length, 2048);
  for (const auto& [key, value] : std::vector<std::pair<const char*, const char*>>{{"version", "1.2"},
                                                                                   {"model", "m"},
                                                                                   {"fingerprint", "fp-1"},
                                                                                   {"prompt", "ids"},
                                                                                   {"ids", "ids"},
                                                                                   {"fields", "extended"}}) {
    EXPECT_EQ(lookup(found->identity, key), value) << key;
  }
}

TEST(OpenaiProbeTest, FindsAWayToAsk) {
  FakeOpenai server{.tokenizer = bytes_tokenizer(),
                    .takes_ids = false,
                    .extended = false,
                    .echoes = false,
                    .most_top_k = 5};
  const auto found = probe(server);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_TRUE(found->capabilities.generates);
  EXPECT_FALSE(found->capabilities.token_ids || found->capabilities.prompt_logprobs);
  EXPECT_EQ(found->capabilities.most_top_k, 5);
  EXPECT_EQ(lookup(found->identity, "prompt"), "text");
  EXPECT_EQ(lookup(found->identity, "ids"), "retokenized");
  EXPECT_EQ(lookup(found->identity, "fields"), "openai");

  server = {.tokenizer = bytes_tokenizer(), .echoes = false, .most_top_k = 1000, .gives_top_k = 4};
  const auto cut = probe(server);
  ASSERT_TRUE(cut.ok()) << cut.error().message();
  EXPECT_EQ(cut->capabilities.most_top_k, 4);
  EXPECT_FALSE(cut->capabilities.prompt_logprobs);
  EXPECT_NE(cut->missing.find("echo is not supported"), std::string::npos) << cut->missing;
}

TEST(OpenaiProbeTest, TakesNoPromptScoresThatBelongToOtherPositions) {
  for (const bool content : {false, true}) {
    const auto found = probe({.tokenizer = bytes_tokenizer(), .content = content, .shifts_lists = true});
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_TRUE(found->capabilities.generates);
    EXPECT_FALSE(found->capabilities.prompt_logprobs);
    EXPECT_NE(found->missing.find("not the most likely one"), std::string::npos) << found->missing;
  }
  const auto found = probe({.tokenizer = bytes_tokenizer(), .extended = false, .drops_last = true});
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_FALSE(found->capabilities.prompt_logprobs);
  EXPECT_NE(found->missing.find("no log-probability"), std::string::npos) << found->missing;
}

TEST(OpenaiProbeTest, RefusesServersThatCannotBeUsed) {
  FakeOpenai server{.tokenizer = bytes_tokenizer(), .adds_a_token = true};
  const auto added = probe(server);
  ASSERT_FALSE(added.ok());
  EXPECT_NE(added.error().message().find("prompt tokens"), std::string::npos);
  server = {.tokenizer = bytes_tokenizer(), .most_top_k = 0};
  EXPECT_FALSE(probe(server).ok());
  server = {.tokenizer = bytes_tokenizer()};
  const auto other = probe(server, R"({"data":[{"id":"n"}]})");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().key, "model");
  EXPECT_TRUE(probe(server, R"({"data":[]})").ok());
}

TEST(OpenaiProbeTest, GivesUpWhereAskingOtherwiseWillNotHelp) {
  for (const int status : {401, 404, 429}) {
    int asked = 0;
    const auto found = make_openai_dialect("m", bytes_tokenizer())->probe([&](const HttpRequest& request) {
      if (request.url != "/v1/completions") return reply_of(std::string("no"), 404);
      ++asked;
      return reply_of(std::string("no"), status);
    });
    EXPECT_FALSE(found.ok());
    EXPECT_EQ(asked, 1) << status;
  }
}

}  // namespace
}  // namespace assay
