// The step on the CUDA cores against the scalar model: every family, every kind of input, both forms.
#include <gtest/gtest.h>

#include <string>

#include "emulator/dot_model.h"
#include "emulator/test_numbers.h"
#include "kernels/cuda/dot_steps.h"
#include "kernels/cuda/gpu_test.h"

namespace assay {
namespace {

constexpr Family kFamilies[] = {Family::volta, Family::turing, Family::ampere,
                                Family::ada,   Family::hopper, Family::blackwell};
constexpr int kCount = 30000;

bool same(float x, float y) {
  return (x != x && y != y) || std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
}

void check(Family family, Dtype dtype, Inputs kind) {
  const auto arithmetic = dot_arithmetic(family, operand_of(dtype));
  if (!arithmetic) return;
  const Index n = arithmetic->products;
  std::mt19937 random(static_cast<unsigned>(kind) * 16 + static_cast<unsigned>(family));
  const std::vector<std::uint16_t> a = random_operands(kind, dtype, kCount * n, random);
  const std::vector<std::uint16_t> b = random_operands(kind, dtype, kCount * n, random);
  const std::vector<float> c = random_accumulators(kind, true, kCount, random);
  const auto device_a = uploaded(a);
  const auto device_b = uploaded(b);
  const auto device_c = uploaded(c);
  const std::vector<float> x = decoded(dtype, a);
  const std::vector<float> y = decoded(dtype, b);
  for (const bool fast : {false, true}) {
    const auto out = poisoned<float>(kCount);
    const auto by_exact = uploaded(std::vector<unsigned>{0});
    dot_steps(family, dtype, fast, device_c.data(), device_a.data(), device_b.data(), kCount, out.data(),
              by_exact.data(), nullptr);
    const std::vector<float> found = downloaded(out);
    int wrong = 0;
    std::string first;
    for (Index i = 0; i < kCount; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const float expected =
          fused_dot_add(*arithmetic, operand_of(dtype), c[at], x.data() + i * n, y.data() + i * n, n);
      if (same(found[at], expected)) continue;
      if (wrong++ == 0) {
        first = "step " + std::to_string(i) + ": found " +
                std::to_string(std::bit_cast<std::uint32_t>(found[at])) + ", expected " +
                std::to_string(std::bit_cast<std::uint32_t>(expected)) + ", c " +
                std::to_string(std::bit_cast<std::uint32_t>(c[at]));
      }
    }
    EXPECT_EQ(wrong, 0) << name_of(family) << " " << name_of(operand_of(dtype)) << " inputs "
                        << static_cast<int>(kind) << (fast ? " fast: " : " exact: ") << first;
    // The fast form is the common one, or it would not be worth having.
    if (fast && (kind == Inputs::normal || kind == Inputs::moderate)) {
      EXPECT_LT(downloaded(by_exact)[0], kCount / 8) << name_of(family);
    }
  }
}

TEST(DotStep, IsTheModelsStepBitForBit) {
  ASSAY_NEEDS_GPU(80);
  for (const Family family : kFamilies) {
    for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
      for (const Inputs kind : kAllInputs) check(family, dtype, kind);
      for (const Inputs kind : {Inputs::moderate, Inputs::edge}) check(family, dtype, kind);
    }
  }
}

}  // namespace
}  // namespace assay
