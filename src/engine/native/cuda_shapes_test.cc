#include "engine/native/cuda_shapes.h"

#include <gmock/gmock.h>

namespace assay {
namespace {

ModelConfig config_of(const char* model) {
  return read_config(std::string(ASSAY_SOURCE_DIR "/models/") + model).value();
}

std::string complaint(ModelConfig config) {
  const auto error = outside_cuda_kernels(config);
  return error ? error->message() : "";
}

TEST(CudaShapes, TheTinyModelsFit) {
  for (const char* model : {"tiny-qwen3", "tiny-qwen3-awq", "tiny-qwen3-gptq"}) {
    EXPECT_EQ(complaint(config_of(model)), "") << model;
  }
}

TEST(CudaShapes, NamesTheExtentThatDoesNot) {
  const auto with = [](auto change, const char* model = "tiny-qwen3-awq") {
    ModelConfig config = config_of(model);
    change(config);
    return complaint(config);
  };
  using testing::HasSubstr;
  EXPECT_THAT(with([](auto& c) { c.head_dim = 256; }),
              HasSubstr("head_dim: expected at most 128 on a GPU, found 256"));
  EXPECT_THAT(with([](auto& c) { c.hidden_size = 32768; }), HasSubstr("hidden_size"));
  EXPECT_THAT(with([](auto& c) { c.vocabulary_size = 4097; }), HasSubstr("vocab_size"));
  EXPECT_THAT(with([](auto& c) { c.intermediate_size = 1008; }),
              HasSubstr("extents that 32 divides on a GPU, found"));
  EXPECT_THAT(with([](auto& c) { c.quantization->group_size = 16; }), HasSubstr("found 16"));
  EXPECT_EQ(with([](auto& c) { c.intermediate_size = 1008; }, "tiny-qwen3"), "") << "dense products take 16";
}

}  // namespace
}  // namespace assay
