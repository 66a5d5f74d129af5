#include <gtest/gtest.h>

#include <functional>

#include "engine/sglang/fake_sglang.h"
#include "engine/sglang/sglang_dialect.h"

namespace assay {
namespace {

// What a server is like; the paths it does not have answer 404.
struct Server {
  bool old_names = false;
  bool of_interest = true;
  Index most_top_k = 1000;
  bool prompt_scores = true;
  int generate_status = 200;
  std::vector<std::string> asked = {};

  HttpReply answer(const HttpRequest& request) {
    asked.push_back(request.url);
    if (request.url == (old_names ? "/get_server_info" : "/server_info")) {
      return reply_of(Json{{"version", "0.5.3"},
                           {"model_path", "org/m"},
                           {"served_model_name", "m"},
                           {"dtype", "float16"},
                           {"quantization", "awq"},
                           {"api_key", "sk-secret-of-the-server"},
                           {"port", 30000},
                           {"random_seed", 77},
                           {"revision", nullptr}});
    }
    if (request.url == (old_names ? "/get_model_info" : "/model_info")) {
      return reply_of(Json{{"model_path", "org/m"}, {"weight_version", "default"}});
    }
    if (request.url == "/v1/models") {
      return reply_of(Json{{"data", Json::array({Json{{"id", "m"}, {"max_model_len", 4096}}})}});
    }
    if (request.url != "/generate") return reply_of(std::string("no"), 404);
    if (generate_status != 200) return reply_of(std::string("trouble"), generate_status);
    Json body = *parse_json(request.body, "request");
    if (body["top_logprobs_num"].get<Index>() > most_top_k) return reply_of(std::string("too many"), 400);
    if (!of_interest) body.erase("token_ids_logprob");
    Json reply = fake_sglang(body);
    if (!prompt_scores) {
      for (const char* list : {"input_token_logprobs", "input_top_logprobs", "input_token_ids_logprobs"}) {
        reply["meta_info"].erase(list);
      }
    }
    return reply_of(reply);
  }
};

Result<Probe> probe(Server& server, const std::string& model = "m") {
  return make_sglang_dialect(model, FakeModel::kVocabulary)->probe([&](const HttpRequest& request) {
    return server.answer(request);
  });
}

TEST(SglangProbeTest, FindsWhatAServerCanDo) {
  Server server;
  const auto found = probe(server);
  ASSERT_TRUE(found.ok()) << found.error().message();
  const Capabilities& can = found->capabilities;
  EXPECT_TRUE(can.generates && can.token_ids && can.prompt_logprobs && can.ids_of_interest);
  EXPECT_FALSE(can.forced_decode || can.ranks);
  EXPECT_EQ(can.most_top_k, 20);  // the model has 64 ids
  EXPECT_EQ(found->context_length, 4096);
  EXPECT_EQ(lookup(found->identity, "version"), "0.5.3");
  EXPECT_EQ(lookup(found->identity, "model"), "m");
  EXPECT_EQ(lookup(found->identity, "weight_version"), "default");
  EXPECT_EQ(lookup(found->identity, "info"),
            R"({"model_path":"org/m","dtype":"float16","quantization":"awq"})");
  EXPECT_NE(found->missing.find("forced decode"), std::string::npos);
  for (const auto& [key, value] : found->identity)
    EXPECT_EQ(value.find("sk-secret"), std::string::npos) << key;
}

TEST(SglangProbeTest, KnowsOlderNames) {
  Server server{.old_names = true};
  const auto found = probe(server, "org/m");
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(lookup(found->identity, "version"), "0.5.3");
  EXPECT_EQ(lookup(found->identity, "weight_version"), "default");
}

TEST(SglangProbeTest, FindsLimits) {
  Server server{.of_interest = false, .most_top_k = 5};
  const auto found = probe(server);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->capabilities.most_top_k, 5);
  EXPECT_FALSE(found->capabilities.ids_of_interest);
  EXPECT_TRUE(found->capabilities.prompt_logprobs && found->capabilities.generates);
  EXPECT_NE(found->missing.find("ids of interest"), std::string::npos);
}

TEST(SglangProbeTest, RefusesWhatIsNoSglangServer) {
  for (const int status : {401, 404, 500, 400}) {
    Server server{.generate_status = status};
    EXPECT_FALSE(probe(server).ok()) << status;
  }
  Server silent{.prompt_scores = false};
  EXPECT_FALSE(probe(silent).ok());
  Server server;
  const auto other = probe(server, "another");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().expected, "m or org/m");
  const auto unreachable = make_sglang_dialect("m", FakeModel::kVocabulary)->probe([](const HttpRequest&) {
    return HttpReply{.transport = Transport::unreachable, .trouble = "connection refused"};
  });
  ASSERT_FALSE(unreachable.ok());
  EXPECT_NE(unreachable.error().message().find("refused"), std::string::npos);
}

}  // namespace
}  // namespace assay
