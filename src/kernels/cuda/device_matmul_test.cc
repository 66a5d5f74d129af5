#include "kernels/cuda/device_matmul.h"

#include "kernels/cuda/gpu_test.h"
#include "kernels/recipes/choose.h"

namespace assay {
namespace {

struct Shape {
  Index outputs, inputs;
};
constexpr Shape kQwen3[] = {{6144, 4096}, {4096, 4096}, {24576, 4096}, {4096, 12288}};

std::vector<std::uint32_t> random_words(Index count) {
  std::mt19937 random(17);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(count));
  for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(random());
  return words;
}

Int4Matrix random_matrix(const Shape& shape) {
  constexpr Index kGroup = 128;
  Int4Matrix matrix(shape.inputs, shape.outputs, kGroup, Dtype::fp16);
  const auto words = uploaded(random_words(shape.inputs * shape.outputs / 8));
  const auto scales = uploaded(random16(Dtype::fp16, shape.inputs / kGroup * shape.outputs, 0.002F, 3));
  const auto zeros =
      uploaded(std::vector<std::uint8_t>(static_cast<std::size_t>(shape.inputs / kGroup * shape.outputs), 8));
  matrix.fill_gptq(
      {.columns = shape.outputs, .qweight = words.data(), .scales = scales.data(), .zeros = zeros.data()},
      nullptr);
  wait(nullptr);
  return matrix;
}

// Steps of several sequences at once, at the shapes of Qwen3-8B: the kernel for few rows against the plain one.
TEST(DeviceMatmul, StepsOfQwen3AreThoseOfThePlainKernel) {
  ASSAY_NEEDS_GPU(90);
  const DeviceSpec& h100 = spec_of(Device::h100);
  for (const Shape& shape : kQwen3) {
    const Int4Matrix matrix = random_matrix(shape);
    const auto dense = poisoned<std::uint16_t>(shape.outputs * shape.inputs);
    dequantize(matrix.view(), dense.data(), nullptr);
    const auto x = uploaded(random16(Dtype::fp16, kMostFewRows * shape.inputs, 1.0F, 5));
    for (const char* name : {"awq", "marlin_a", "marlin_b", "machete"}) {
      const bool awq = std::string(name) == "awq";
      const auto choice = choose_kernel(awq ? "awq" : "gptq_marlin", "vllm-0.11", h100, name);
      LinearProblem problem{.rows = 1, .outputs = shape.outputs, .inputs = shape.inputs, .group_size = 128};
      problem.zero_points = awq;
      const auto schedule = [&](Index) { return schedule_for(*choice, problem, h100).value(); };
      for (const Index rows : {1, 3, 5, 8, 16}) {
        DeviceMatmul matmul(Family::hopper, Dtype::fp16, nullptr);
        matmul.reserve_dequantized(shape.outputs * shape.inputs);
        const auto found = poisoned<std::uint16_t>(rows * shape.outputs);
        matmul.run(0, {1, {0, rows}, true}, schedule, x.data(), {nullptr, matrix.view()}, shape.outputs,
                   shape.inputs, found.data());
        Schedule cut = schedule(1);
        for (Region& region : cut.regions) region.rows = rows;
        ChainSumPlan plain(cut, nullptr);
        const auto expected = poisoned<std::uint16_t>(rows * shape.outputs);
        plain.run({x.data(), dense.data(), expected.data(), rows, shape.outputs, shape.inputs, Dtype::fp16},
                  nullptr);
        EXPECT_EQ(downloaded(found), downloaded(expected))
            << name << " " << shape.outputs << "x" << shape.inputs << ", " << rows << " rows";
      }
    }
  }
}

}  // namespace
}  // namespace assay
