#include "kernels/cuda/few_rows.h"

#include <algorithm>
#include <numeric>

#include "kernels/cuda/gpu_test.h"
#include "kernels/recipes/choose.h"

namespace assay {
namespace {

struct Shape {
  Index outputs, inputs, group_size;
};

KernelChoice choice_of(KernelName kernel, Index splits = 1) { return {kernel, splits, "test"}; }

void expect_equal(const std::vector<std::uint16_t>& expected, const std::vector<std::uint16_t>& found,
                  Index outputs) {
  ASSERT_EQ(expected.size(), found.size());
  const auto [a, b] = std::mismatch(expected.begin(), expected.end(), found.begin());
  if (a == expected.end()) return;
  const Index at = a - expected.begin();
  ADD_FAILURE() << "row " << at / outputs << " output " << at % outputs << ": expected " << std::hex << *a
                << " found " << *b << std::dec << "; "
                << std::inner_product(expected.begin(), expected.end(), found.begin(), 0, std::plus<>(),
                                      std::not_equal_to<>())
                << " of " << found.size() << " differ";
}

// Random four-bit weights, and what they stand for.
struct Weights {
  Int4Matrix matrix;
  std::vector<std::uint16_t> w;  // [N, K]

  Weights(const Shape& shape, Dtype dtype) : matrix(shape.inputs, shape.outputs, shape.group_size, dtype) {
    std::mt19937 random(11);
    std::vector<std::uint32_t> qweight(static_cast<std::size_t>(shape.inputs * shape.outputs / 8));
    for (std::uint32_t& word : qweight) word = static_cast<std::uint32_t>(random());
    const Index groups = shape.inputs / shape.group_size;
    std::vector<std::uint8_t> zeros(static_cast<std::size_t>(groups * shape.outputs));
    for (std::uint8_t& zero : zeros) zero = static_cast<std::uint8_t>(random() % 17);
    const auto words = uploaded(qweight);
    const auto scales = uploaded(random16(dtype, groups * shape.outputs, 0.01F, 12));
    const auto device_zeros = uploaded(zeros);
    matrix.fill_gptq({0, shape.outputs, words.data(), scales.data(), device_zeros.data(), nullptr}, nullptr);
    const auto dequantized = poisoned<std::uint16_t>(shape.inputs * shape.outputs);
    dequantize(matrix.view(), dequantized.data(), nullptr);
    w = downloaded(dequantized);
  }
};

// The first `outputs_checked` outputs on the CPU, all rows; the schedule is that of `rows` rows.
void check(KernelChoice choice, const Shape& shape, Index rows, Dtype dtype, const Weights* weights,
           const std::vector<std::uint16_t>& dense) {
  SCOPED_TRACE(testing::Message() << "kernel " << static_cast<int>(choice.kernel) << " N " << shape.outputs
                                  << " K " << shape.inputs << " rows " << rows << " " << name_of(dtype)
                                  << (weights == nullptr ? " dense" : " int4"));
  const LinearProblem problem = {
      rows, shape.outputs, shape.inputs, weights == nullptr ? 0 : shape.group_size, false, dtype};
  const auto schedule = schedule_for(choice, problem, spec_of(Device::h100));
  ASSERT_TRUE(schedule) << schedule.error().expected;
  ASSERT_TRUE(supports_few_rows(*schedule, rows, shape.outputs, shape.inputs));
  const std::vector<std::uint16_t> x = random16(dtype, rows * shape.inputs, 1.0F, 13);
  const auto device_x = uploaded(x);
  const auto out = poisoned<std::uint16_t>(rows * shape.outputs);
  const FewRowsPlan plan(*schedule, rows, shape.outputs, shape.inputs, nullptr);
  ProductOperands operands = {device_x.data(), nullptr, out.data(), rows, shape.outputs, shape.inputs, dtype};
  if (weights != nullptr) {
    plan.run(operands, weights->matrix.view(), nullptr);
    expect_equal(
        cpu_product(Device::h100, dtype, *schedule, {0, rows}, x, weights->w, shape.outputs, shape.inputs),
        downloaded(out), shape.outputs);
  } else {
    const auto w = uploaded(dense);
    operands.w = w.data();
    plan.run(operands, nullptr);
    expect_equal(
        cpu_product(Device::h100, dtype, *schedule, {0, rows}, x, dense, shape.outputs, shape.inputs),
        downloaded(out), shape.outputs);
  }
}

constexpr KernelName kInt4Kernels[] = {KernelName::awq, KernelName::marlin_a, KernelName::marlin_b,
                                       KernelName::machete, KernelName::chain};

TEST(FewRows, Int4ProductsOfSmallModelsEqualTheCpus) {
  ASSAY_NEEDS_GPU(90);
  for (const Shape shape : {Shape{512, 256, 128},
                            {256, 256, 64},
                            {2048, 256, 128},
                            {256, 1024, 128},
                            {256, 1024, 1024},
                            {384, 128, 32}}) {
    for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
      const Weights weights(shape, dtype);
      for (const KernelName kernel : kInt4Kernels) {
        if (kernel == KernelName::awq && (dtype != Dtype::fp16 || shape.outputs % shape.group_size != 0))
          continue;
        if (kernel == KernelName::machete && shape.group_size == 32) continue;
        for (const Index rows : {1, 2, 5, 8, 9, 16})
          check(choice_of(kernel), shape, rows, dtype, &weights, {});
      }
    }
  }
}

TEST(FewRows, Int4ProductsOfQwen3EqualTheCpus) {
  ASSAY_NEEDS_GPU(90);
  for (const Shape shape :
       {Shape{6144, 4096, 128}, {4096, 4096, 128}, {24576, 4096, 128}, {4096, 12288, 128}}) {
    const Weights weights(shape, Dtype::fp16);
    for (const KernelName kernel :
         {KernelName::awq, KernelName::marlin_a, KernelName::marlin_b, KernelName::machete})
      check(choice_of(kernel), shape, 1, Dtype::fp16, &weights, {});
  }
}

TEST(FewRows, SeveralRowsOfQwen3EqualTheCpus) {
  ASSAY_NEEDS_GPU(90);
  const Shape shape = {4096, 4096, 128};
  const Weights weights(shape, Dtype::bf16);
  check(choice_of(KernelName::marlin_a), shape, 5, Dtype::bf16, &weights, {});
  check(choice_of(KernelName::machete), shape, 16, Dtype::bf16, &weights, {});
  // Enough lists for a warp each.
  const Shape wide = {6144, 4096, 128};
  const Weights wide_weights(wide, Dtype::fp16);
  for (const KernelName kernel : {KernelName::awq, KernelName::marlin_a})
    check(choice_of(kernel), wide, 5, Dtype::fp16, &wide_weights, {});
}

TEST(FewRows, DenseProductsEqualTheCpus) {
  ASSAY_NEEDS_GPU(90);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    for (const Shape shape : {Shape{512, 256, 0}, {256, 1024, 0}, {4096, 4096, 0}}) {
      const auto w = random16(dtype, shape.outputs * shape.inputs, 0.03F, 14);
      for (const Index rows : {1, 7, 16}) {
        if (shape.outputs == 4096 && rows > 1) continue;
        check(choice_of(KernelName::chain), shape, rows, dtype, nullptr, w);
        check(choice_of(KernelName::cublas), shape, rows, dtype, nullptr, w);
        check(choice_of(KernelName::split_k, 4), shape, rows, dtype, nullptr, w);
      }
    }
  }
}

// With fewer than eight chunks of 32, some of awq's walks are empty: +0 in its additions.
TEST(FewRows, AnEmptyWalkIsZero) {
  ASSAY_NEEDS_GPU(90);
  const Shape shape = {128, 128, 64};
  const Weights weights(shape, Dtype::fp16);
  check(choice_of(KernelName::awq), shape, 3, Dtype::fp16, &weights, {});
}

TEST(FewRows, RowsOfAGreatPassAreComputedByTheirOwnOrders) {
  ASSAY_NEEDS_GPU(90);
  const Shape shape = {512, 256, 128};
  const Weights weights(shape, Dtype::fp16);
  const LinearProblem problem = {70, shape.outputs, shape.inputs, shape.group_size, false, Dtype::fp16};
  const auto schedule = schedule_for(choice_of(KernelName::marlin_a), problem, spec_of(Device::h100));
  const RowRange rows = {64, 6};
  const Schedule cut = rows_of(*schedule, rows);
  ASSERT_TRUE(supports_few_rows(cut, rows.count, shape.outputs, shape.inputs));
  const std::vector<std::uint16_t> x = random16(Dtype::fp16, rows.count * shape.inputs, 1.0F, 15);
  const auto device_x = uploaded(x);
  const auto out = poisoned<std::uint16_t>(rows.count * shape.outputs);
  FewRowsPlan(cut, rows.count, shape.outputs, shape.inputs, nullptr)
      .run({device_x.data(), nullptr, out.data(), rows.count, shape.outputs, shape.inputs, Dtype::fp16},
           weights.matrix.view(), nullptr);
  expect_equal(
      cpu_product(Device::h100, Dtype::fp16, *schedule, rows, x, weights.w, shape.outputs, shape.inputs),
      downloaded(out), shape.outputs);
}

TEST(FewRowsProgram, RefusesWhatItCannotRun) {
  const SumOrder chain = {.walks = {{0, 64, 64, 1}}, .adds = {}};
  const Schedule whole = {{chain}, {{0, 4, 0, 64, 0}}};
  EXPECT_TRUE(supports_few_rows(whole, 4, 64, 64));
  EXPECT_TRUE(supports_few_rows(whole, 16, 64, 64));
  EXPECT_FALSE(supports_few_rows(whole, 17, 64, 64));
  EXPECT_FALSE(supports_few_rows(whole, 4, 96, 64)) << "columns without an order";
  EXPECT_FALSE(supports_few_rows({{chain}, {{0, 2, 0, 64, 0}, {2, 2, 0, 64, 0}}}, 4, 64, 64)) << "rows apart";
  EXPECT_FALSE(supports_few_rows({{chain}, {{0, 4, 0, 16, 0}, {0, 4, 16, 48, 0}}}, 4, 64, 64))
      << "half a strip";
  const SumOrder runs = {.walks = {{0, 16, 32, 2}, {32, 16, 32, 2}}, .adds = {{0, 1}}};
  EXPECT_FALSE(supports_few_rows({{runs}, {{0, 4, 0, 64, 0}}}, 4, 64, 64)) << "runs that are no neighbours";
  SumOrder half = chain;
  half.accumulator = Accumulator::fp16;
  EXPECT_FALSE(supports_few_rows({{half}, {{0, 4, 0, 64, 0}}}, 4, 64, 64));
}

TEST(FewRowsProgram, GivesEveryUnitToOneWarp) {
  for (const KernelName kernel : kInt4Kernels) {
    const LinearProblem problem = {1, 24576, 4096, 128, false, Dtype::fp16};
    const auto schedule = schedule_for(choice_of(kernel), problem, spec_of(Device::h100));
    const auto program = few_rows_program(*schedule, problem.outputs, problem.inputs);
    ASSERT_TRUE(program);
    EXPECT_EQ(program->paired, kernel == KernelName::marlin_a);
    const auto per_strip = static_cast<std::size_t>(program->warps * program->pieces_per_warp);
    for (std::size_t strip = 0; strip < 768; ++strip) {
      std::vector<int> seen(128);
      for (std::size_t i = strip * per_strip; i < (strip + 1) * per_strip; ++i) {
        const FewRowsPiece& piece = program->pieces[i];
        for (int u = 0; u < piece.units; ++u)
          ++seen[static_cast<std::size_t>(piece.first + u * piece.stride)];
      }
      ASSERT_EQ(seen, std::vector<int>(128, 1))
          << "kernel " << static_cast<int>(kernel) << " strip " << strip;
    }
  }
}

}  // namespace
}  // namespace assay
