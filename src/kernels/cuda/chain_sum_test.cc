#include "kernels/cuda/chain_sum.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/cuda/gpu_test.h"
#include "kernels/recipes/choose.h"
#include "kernels/recipes/dense.h"
#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

constexpr Dtype kDtypes[] = {Dtype::fp16, Dtype::bf16};

// A device with the arithmetic of the GPU that is here.
const DeviceSpec& device_here() { return spec_of(gpu_capability() >= 90 ? Device::h100 : Device::a100); }

struct Shape {
  Index rows, outputs, inputs;
};

Schedule schedule_of(const char* quantization, const char* kernel, Shape shape, Dtype dtype) {
  const LinearProblem problem{.rows = shape.rows,
                              .outputs = shape.outputs,
                              .inputs = shape.inputs,
                              .group_size = 128,
                              .zero_points = false,
                              .dtype = dtype};
  const auto choice = choose_kernel(quantization, "vllm-0.11", device_here(), kernel);
  return schedule_for(choice.value(), problem, device_here()).value();
}

// Rows `rows` of a pass; what lies behind the outputs must stay as it was.
std::vector<std::uint16_t> gpu_product(const Schedule& schedule, RowRange rows, Dtype dtype,
                                       const std::vector<std::uint16_t>& x,
                                       const std::vector<std::uint16_t>& w, Shape shape) {
  constexpr Index kBehind = 256;
  const auto x_there = uploaded(x);
  const auto w_there = uploaded(w);
  const auto out = poisoned<std::uint16_t>(rows.count * shape.outputs + kBehind);
  ChainSumPlan plan(rows_of(schedule, rows), nullptr);
  plan.run({.x = x_there.data(),
            .w = w_there.data(),
            .out = out.data(),
            .rows = rows.count,
            .outputs = shape.outputs,
            .inputs = shape.inputs,
            .dtype = dtype},
           nullptr);
  std::vector<std::uint16_t> found = downloaded(out);
  for (Index i = 0; i < kBehind; ++i) {
    EXPECT_EQ(found.back(), 0xffff) << "written behind the outputs";
    found.pop_back();
  }
  return found;
}

void expect_same(const std::vector<std::uint16_t>& found, const std::vector<std::uint16_t>& expected,
                 Index outputs) {
  ASSERT_EQ(found.size(), expected.size());
  std::size_t unequal = 0;
  std::string first;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == expected[i]) continue;
    if (++unequal <= 4) {
      first += fmt::format(" [{}, {}] {:04x} for {:04x}", static_cast<Index>(i) / outputs,
                           static_cast<Index>(i) % outputs, found[i], expected[i]);
    }
  }
  EXPECT_EQ(unequal, 0U) << "of " << found.size() << ":" << first;
}

void expect_product(const Schedule& schedule, RowRange rows, Shape shape, Dtype dtype) {
  const auto x = random16(dtype, rows.count * shape.inputs, 1.0F, 1);
  const auto w = random16(dtype, shape.outputs * shape.inputs, 0.05F, 2);
  const auto expected =
      cpu_product(device_here().device, dtype, schedule, rows, x, w, shape.outputs, shape.inputs);
  expect_same(gpu_product(schedule, rows, dtype, x, w, shape), expected, shape.outputs);
}

void expect_products(const char* quantization, const char* kernel, std::initializer_list<Shape> shapes,
                     std::initializer_list<Dtype> dtypes) {
  for (const Shape& shape : shapes) {
    for (const Dtype dtype : dtypes) {
      SCOPED_TRACE(fmt::format("{} {}x{}x{} {}", kernel, shape.rows, shape.outputs, shape.inputs,
                               std::string(name_of(dtype))));
      expect_product(schedule_of(quantization, kernel, shape, dtype), {0, shape.rows}, shape, dtype);
    }
  }
}

// Shapes for each size of tile, with ends of tiles in rows, columns and K.
TEST(ChainSum, ChainsAreThoseOfTheCpu) {
  ASSAY_NEEDS_GPU(80);
  expect_products("none", "chain",
                  {{1, 16, 16},
                   {1, 256, 256},
                   {3, 4096, 1024},
                   {17, 272, 80},
                   {64, 1024, 256},
                   {100, 208, 1008},
                   {257, 1024, 256},
                   {1000, 4080, 208},
                   {1, 1024, 12288}},
                  {Dtype::fp16, Dtype::bf16});
}

TEST(ChainSum, SplitsAreThoseOfTheCpu) {
  ASSAY_NEEDS_GPU(80);
  expect_products("none", "split_k(3)",
                  {{1, 256, 320}, {5, 512, 1024}, {64, 1024, 320}, {130, 512, 1024}, {1000, 4080, 192}},
                  {Dtype::fp16, Dtype::bf16});
}

TEST(ChainSum, AwqIsThatOfTheCpu) {
  ASSAY_NEEDS_GPU(80);
  expect_products("awq", "awq", {{1, 256, 128}, {1, 512, 1024}, {16, 256, 1024}, {255, 1024, 512}},
                  {Dtype::fp16});
}

TEST(ChainSum, MarlinIsThatOfTheCpu) {
  ASSAY_NEEDS_GPU(80);
  for (const char* kernel : {"marlin_a", "marlin_b"}) {
    expect_products("awq", kernel,
                    {{1, 256, 256},
                     {1, 2048, 1024},
                     {16, 512, 1024},
                     {64, 256, 1024},
                     {64, 2048, 256},
                     {100, 512, 512},
                     {300, 2048, 1024},
                     {300, 256, 256}},
                    {Dtype::fp16, Dtype::bf16});
  }
}

TEST(ChainSum, MacheteIsThatOfTheCpu) {
  ASSAY_NEEDS_GPU(90);
  expect_products("gptq", "machete",
                  {{1, 256, 256}, {1, 512, 2048}, {40, 512, 1024}, {100, 2048, 1024}, {300, 1024, 1024}},
                  {Dtype::fp16, Dtype::bf16});
}

TEST(ChainSum, RowsInTheMiddleOfAPassKeepTheirOrders) {
  ASSAY_NEEDS_GPU(90);
  constexpr Shape kShape = {300, 1024, 1024};
  for (const Dtype dtype : kDtypes) {
    for (const RowRange rows : {RowRange{37, 90}, RowRange{299, 1}, RowRange{60, 200}}) {
      SCOPED_TRACE(fmt::format("{} rows from {}", rows.count, rows.first));
      expect_product(schedule_of("awq", "marlin_a", kShape, dtype), rows, kShape, dtype);
      expect_product(schedule_of("awq", "marlin_b", kShape, dtype), rows, kShape, dtype);
      expect_product(schedule_of("gptq", "machete", kShape, dtype), rows, kShape, dtype);
    }
  }
}

// A whole pass on the GPU, sixteen of its rows on the CPU.
TEST(ChainSum, PassesOfQwen3AreThoseOfTheCpuInTheRowsLookedAt) {
  ASSAY_NEEDS_GPU(90);
  constexpr Shape kShape = {1100, 6144, 4096};
  constexpr RowRange kLookedAt = {1012, 16};
  const auto x = random16(Dtype::bf16, kShape.rows * kShape.inputs, 1.0F, 1);
  const auto w = random16(Dtype::bf16, kShape.outputs * kShape.inputs, 0.05F, 2);
  const auto part = [&](const std::vector<std::uint16_t>& rows, Index columns) {
    const auto begin = rows.begin() + kLookedAt.first * columns;
    return std::vector<std::uint16_t>(begin, begin + kLookedAt.count * columns);
  };
  for (const auto& [quantization, kernel] :
       {std::pair{"awq", "marlin_a"}, std::pair{"awq", "marlin_b"}, std::pair{"gptq", "machete"}}) {
    SCOPED_TRACE(kernel);
    const Schedule schedule = schedule_of(quantization, kernel, kShape, Dtype::bf16);
    const auto expected = cpu_product(device_here().device, Dtype::bf16, schedule, kLookedAt,
                                      part(x, kShape.inputs), w, kShape.outputs, kShape.inputs);
    const auto found = gpu_product(schedule, {0, kShape.rows}, Dtype::bf16, x, w, kShape);
    expect_same(part(found, kShape.outputs), expected, kShape.outputs);
  }
}

// Runs of 24 and 8: steps of 16 + 8, and of 8. Two sums wait while the last walk runs.
TEST(ChainSum, AShorterStepEndsARun) {
  ASSAY_NEEDS_GPU(80);
  SumOrder order{.walks = {{.first = 0, .run = 24, .stride = 32, .count = 5},
                           {.first = 24, .run = 8, .stride = 32, .count = 5},
                           {.first = 160, .run = 24, .stride = 32, .count = 1},
                           {.first = 184, .run = 8, .stride = 32, .count = 1}},
                 .adds = {{.into = 0, .from = 1}, {.into = 2, .from = 3}, {.into = 0, .from = 2}}};
  for (const bool rounds : {false, true}) {
    order.rounds_walks = rounds;
    for (const Index rows : {Index{2}, Index{40}, Index{200}, Index{1000}}) {
      const Shape shape{rows, 4096, 192};
      for (const Dtype dtype : kDtypes)
        expect_product({{order}, {{0, rows, 0, shape.outputs, 0}}}, {0, rows}, shape, dtype);
    }
  }
}

// Else the tests above could not tell one order from another.
TEST(ChainSum, TheOrderShowsInTheBits) {
  ASSAY_NEEDS_GPU(80);
  constexpr Shape kShape = {64, 1024, 1024};
  for (const Dtype dtype : kDtypes) {
    const auto x = random16(dtype, kShape.rows * kShape.inputs, 1.0F, 1);
    const auto w = random16(dtype, kShape.outputs * kShape.inputs, 0.05F, 2);
    const auto product = [&](const char* quantization, const char* kernel) {
      return gpu_product(schedule_of(quantization, kernel, kShape, dtype), {0, kShape.rows}, dtype, x, w,
                         kShape);
    };
    const auto chain = product("none", "chain");
    EXPECT_NE(product("none", "split_k(3)"), chain);
    EXPECT_NE(product("awq", "marlin_a"), chain);
    EXPECT_NE(product("awq", "marlin_a"), product("awq", "marlin_b"));
  }
}

TEST(ChainSum, OutputsBeyondFp16AreInfinities) {
  ASSAY_NEEDS_GPU(80);
  constexpr Shape kShape = {16, 256, 256};
  const auto x = random16(Dtype::fp16, kShape.rows * kShape.inputs, 100.0F, 1);
  const auto w = random16(Dtype::fp16, kShape.outputs * kShape.inputs, 50.0F, 2);
  const Schedule schedule = schedule_of("none", "chain", kShape, Dtype::fp16);
  const auto found = gpu_product(schedule, {0, kShape.rows}, Dtype::fp16, x, w, kShape);
  EXPECT_NE(std::count(found.begin(), found.end(), 0x7c00), 0);
  expect_same(found,
              cpu_product(device_here().device, Dtype::fp16, schedule, {0, kShape.rows}, x, w, kShape.outputs,
                          kShape.inputs),
              kShape.outputs);
}

TEST(ChainSum, RunsThatDoNotBeginAtMultiplesOf8AreAFault) {
  ASSAY_NEEDS_GPU(80);
  const Schedule schedule{{ascending_sum({20, 28})}, {{0, 1, 0, 16, 0}}};
  EXPECT_THROW(ChainSumPlan(schedule, nullptr), Fault);
}

}  // namespace
}  // namespace assay
