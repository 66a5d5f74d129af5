#include "hub/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scoped_variable.h"
#include "base/test_folder.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScopedVariable;

class Environment : public ::testing::Test {
 protected:
  std::string root() const { return folder_.path().string(); }
  static std::string cache() { return hub_environment()->cache->string(); }
  static std::string refusal(const char* name, const std::string& value) {
    const ScopedVariable variable(name, value);
    const auto environment = hub_environment();
    return environment ? "no Error" : environment.error().message();
  }

  testing::TestFolder folder_;
  ScopedVariable hub_cache_{"HF_HUB_CACHE", std::nullopt};
  ScopedVariable hf_home_{"HF_HOME", std::nullopt};
  ScopedVariable xdg_{"XDG_CACHE_HOME", std::nullopt};
  ScopedVariable home_{"HOME", root()};
  ScopedVariable endpoint_{"HF_ENDPOINT", std::nullopt};
  ScopedVariable token_{"HF_TOKEN", std::nullopt};
  ScopedVariable offline_{"HF_HUB_OFFLINE", std::nullopt};
};

TEST_F(Environment, EachVariableOfTheCacheGoesBeforeTheNext) {
  EXPECT_EQ(cache(), root() + "/.cache/huggingface/hub");
  const ScopedVariable xdg("XDG_CACHE_HOME", root() + "/xdg");
  EXPECT_EQ(cache(), root() + "/xdg/huggingface/hub");
  const ScopedVariable home("HF_HOME", "~/home");
  EXPECT_EQ(cache(), root() + "/home/hub");
  const ScopedVariable hub("HF_HUB_CACHE", "/data/hub");
  EXPECT_EQ(cache(), "/data/hub");
}

TEST_F(Environment, NoHome) {
  const ScopedVariable home("HOME", std::nullopt);
  EXPECT_FALSE(hub_environment()->cache.has_value());
}

TEST_F(Environment, Endpoint) {
  EXPECT_EQ(hub_environment()->endpoint, "https://huggingface.co");
  {
    const ScopedVariable endpoint("HF_ENDPOINT", "http://mirror:8080/hub//");
    EXPECT_EQ(hub_environment()->endpoint, "http://mirror:8080/hub");
  }
  for (const char* url :
       {"mirror", "ftp://mirror", "https://", "https://me:pass@mirror", "https://pass@mirror",
        "https://mirror?x=pass", "https://mirror#pass", "https://mir ror"}) {
    const std::string message = refusal("HF_ENDPOINT", url);
    EXPECT_THAT(message, HasSubstr("HF_ENDPOINT: expected an http or https URL")) << url;
    EXPECT_THAT(message, Not(HasSubstr("pass@"))) << url;
  }
}

TEST_F(Environment, Token) {
  EXPECT_FALSE(hub_environment()->token.has_value());
  folder_.write(".cache/huggingface/token", "\n");
  EXPECT_FALSE(hub_environment()->token.has_value());
  folder_.write(".cache/huggingface/token", "hf_file\n");
  EXPECT_EQ(hub_environment()->token, Secret("hf_file"));
  const ScopedVariable token("HF_TOKEN", "hf_variable");
  EXPECT_EQ(hub_environment()->token, Secret("hf_variable"));
}

TEST_F(Environment, ATokenThatIsNoneIsNotShown) {
  const std::string message = refusal("HF_TOKEN", "hf_secret\nx");
  EXPECT_THAT(message, HasSubstr("HF_TOKEN: expected"));
  EXPECT_THAT(message, Not(HasSubstr("hf_secret")));
  folder_.write(".cache/huggingface/token", "hf_secret\tx\n");
  const std::string of_file = hub_environment().error().message();
  EXPECT_THAT(of_file, HasSubstr("huggingface/token: expected a token"));
  EXPECT_THAT(of_file, Not(HasSubstr("hf_secret")));
}

TEST_F(Environment, Offline) {
  for (const char* word : {"1", "true", "YES", "On"}) {
    const ScopedVariable offline("HF_HUB_OFFLINE", word);
    EXPECT_TRUE(hub_environment()->offline) << word;
  }
  for (const char* word : {"", "0", "False", "no", "OFF"}) {
    const ScopedVariable offline("HF_HUB_OFFLINE", word);
    EXPECT_FALSE(hub_environment()->offline) << word;
  }
  EXPECT_THAT(refusal("HF_HUB_OFFLINE", "maybe"), HasSubstr("found maybe"));
}

}  // namespace
}  // namespace assay
