// The dialect over sockets.
#include <gtest/gtest.h>

#include <atomic>

#include "engine/remote/remote_engine.h"
#include "engine/sglang/fake_sglang.h"
#include "http/test_servers.h"

namespace assay {
namespace {

class SglangEngineTest : public testing::Test {
 protected:
  SglangEngineTest() {
    server_->Get("/health", [](const httplib::Request&, httplib::Response&) {});
    server_->Post("/generate", [this](const httplib::Request& request, httplib::Response& response) {
      ++asked_;
      response.set_content(fake_sglang(*parse_json(request.body, "request")).dump(), "application/json");
    });
    server_.start();
    const assay::Setup setup{.name = "served",
                             .model = ASSAY_SOURCE_DIR "/models/tiny-qwen3-awq",
                             .quantization = "awq",
                             .dtype = "float16",
                             .device = "h100",
                             .server = ServerChoice{.engine = "sglang", .endpoints = {server_.url()}}};
    auto opened = open_remote_engine(setup, {});
    if (!opened) throw Fault(opened.error().message());
    engine_ = *std::move(opened);
    asked_ = 0;
  }

  HttpTestServer server_;
  std::atomic<int> asked_ = 0;
  std::unique_ptr<Engine> engine_;
};

TEST_F(SglangEngineTest, RecordsAndScores) {
  const auto made = engine_->generate({.prompt = {10, 20, 30, 40}, .max_new_tokens = 3, .top_k = 2});
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(made->generated_ids, (std::vector<TokenId>{52, 49, 46}));
  EXPECT_EQ(lookup(made->served, "endpoint"), server_.url());
  const auto scores = engine_->score(
      {.tokens = {10, 20, 30, 40, 52, 49}, .prompt_length = 4, .asked = {{3, {40}, 2}, {5, {49}, 2}}});
  ASSERT_TRUE(scores.ok()) << scores.error().message();
  EXPECT_EQ(find_score(scores->positions[0].scores, 40)->logprob, FakeModel::logprob(3, 40));
  EXPECT_EQ(asked_, 2);
}

TEST_F(SglangEngineTest, RefusesATemperatureBeforeItAsks) {
  const auto made =
      engine_->generate({.prompt = {10, 20},
                         .max_new_tokens = 3,
                         .top_k = 2,
                         .sampling = {.sampler = Sampler::exponential_race, .temperature = 0.7}});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().file, "setups.served");
  EXPECT_NE(made.error().message().find("scales"), std::string::npos) << made.error().message();
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace assay
