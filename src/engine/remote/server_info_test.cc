#include "engine/remote/server_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(ServerInfo, SecretsAreMasked) {
  Json info = Json::parse(R"({"api_key": ["one", "two"], "HF_TOKEN": "three", "dtype": "float16",
    "max_num_batched_tokens": 8192, "auth": {"user": "four"}, "args": "--api-key sk-five-5555 --model org/name",
    "env": [{"X": "hf_sixsixsix"}], "word": "0a1b2c3d4e5f0a1b2c3d4e5f", "gpu": "NVIDIA-H100-80GB-HBM3"})");
  mask_secrets(info);
  EXPECT_EQ(info, Json::parse(R"({"api_key": ["***", "***"], "HF_TOKEN": "***", "dtype": "float16",
    "max_num_batched_tokens": 8192, "auth": {"user": "***"}, "args": "--api-key *** --model org/name",
    "env": [{"X": "***"}], "word": "***", "gpu": "NVIDIA-H100-80GB-HBM3"})"));
}

TEST(ServerInfo, LongOnesAreCutToWhatTells) {
  constexpr std::string_view kTelling[] = {"dtype", "huge", "quantization", "absent"};
  Json info = {
      {"filler", std::string(5000, ' ')},
      {"config",
       {{"model", {{"dtype", "float16"}}}, {"huge", std::string(5000, ' ')}, {"quantization", "awq"}}}};
  EXPECT_EQ(short_server_info(info, kTelling), R"({"dtype":"float16","quantization":"awq"})");
  info["config"]["huge"] = "hf_abcdefghijkl";
  EXPECT_EQ(short_server_info(info, kTelling), R"({"dtype":"float16","huge":"***","quantization":"awq"})");
}

TEST(ServerInfo, KeepsTheCommitOfARevision) {
  const std::string commit = "0123456789abcdef0123456789abcdef01234567";
  Json info = {{"revision", commit}, {"other", commit}, {"tokenizer_path", "org/m"}};
  mask_secrets(info);
  EXPECT_EQ(info, (Json{{"revision", commit}, {"other", "***"}, {"tokenizer_path", "org/m"}}));
}

TEST(ServerInfo, FindsKeysAtAnyDepth) {
  const Json info = Json::parse(R"({"a": [{"b": {"c": 7}}], "d": null})");
  EXPECT_EQ(find_deep(info, "c"), 7);
  EXPECT_TRUE(find_deep(info, "e").is_null());
  EXPECT_EQ(find_deep(info, "b.c"), 7);
  EXPECT_TRUE(find_deep(info, "d.c").is_null());
}

}  // namespace
}  // namespace assay
