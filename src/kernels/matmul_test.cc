// matmul against the schedule's own words: for each output, its region's walks by the scalar model and the additions,
// one at a time. Every kernel, every instruction set, rows of a pass in parts.
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "emulator/reference_chain.h"
#include "kernels/compute.h"
#include "kernels/recipes/choose.h"
#include "kernels/recipes/half_gemm.h"
#include "number/compare.h"
#include "number/float16.h"

namespace assay {
namespace {

constexpr Index kInputs = 512;
constexpr Index kOutputs = 384;

struct Problem {
  std::vector<float> x;
  PackedMatrix w;
};

Problem make_problem(Index rows) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  Problem problem;
  for (Index i = 0; i < rows * kInputs; ++i) problem.x.push_back(round_to_fp16(normal(random)));
  std::vector<std::uint16_t> w;
  for (Index i = 0; i < kInputs * kOutputs; ++i) w.push_back(to_fp16(normal(random) / 16));
  problem.w = pack_rows(w, kInputs, kOutputs, Dtype::fp16);
  return problem;
}

// One output as the schedule says.
float expected_output(const Problem& problem, const Schedule& schedule, Family family, Index row,
                      Index column) {
  const Region* found = nullptr;
  for (const Region& r : schedule.regions) {
    if (row >= r.row && row < r.row + r.rows && column >= r.column && column < r.column + r.columns)
      found = &r;
  }
  require(found != nullptr, "a region for each output");
  const SumOrder& order = schedule.orders[static_cast<std::size_t>(found->order)];
  const bool half = order.accumulator == Accumulator::fp16;
  std::vector<float> sums;
  for (const Walk& walk : order.walks) {
    float c = 0;
    reference_chain(*dot_arithmetic(family, Operand::fp16, order.accumulator), Dtype::fp16,
                    {.a = problem.x.data() + row * kInputs,
                     .a_stride = kInputs,
                     .rows = 1,
                     .panels = problem.w.panel(column / kPanelColumns) + column % kPanelColumns,
                     .panel_stride = problem.w.panel_stride(),
                     .columns = 1,
                     .walk = walk,
                     .c = &c,
                     .c_stride = 1,
                     .accumulate = false,
                     .accumulator = order.accumulator});
    sums.push_back(order.rounds_walks ? round_to_fp16(c) : c);
  }
  for (const Add& add : order.adds) {
    float& into = sums[static_cast<std::size_t>(add.into)];
    into += sums[static_cast<std::size_t>(add.from)];
    if (half) into = round_to_fp16(into);
  }
  return round_to_fp16(sums[0]);
}

struct Case {
  const char* quantization;
  const char* kernel;
  Device device;
};

class Matmul : public testing::TestWithParam<Case> {};

TEST_P(Matmul, GivesWhatTheScheduleSays) {
  const auto [quantization, kernel, device] = GetParam();
  const DeviceSpec& spec = spec_of(device);
  const auto choice = choose_kernel(quantization, "vllm-0.11", spec, kernel);
  ASSERT_TRUE(choice.ok()) << choice.error().message();
  ThreadPool pool(2);
  for (const Index rows : {1, 9, 70, 200}) {
    const Problem problem = make_problem(rows);
    const LinearProblem linear = {.rows = rows,
                                  .outputs = kOutputs,
                                  .inputs = kInputs,
                                  .group_size = 128,
                                  .zero_points = std::string_view(quantization).starts_with("awq")};
    const bool exllama = choice->kernel == KernelName::exllama;
    const auto schedule =
        exllama ? Result(half_gemm_schedule(linear, spec)) : schedule_for(*choice, linear, spec);
    ASSERT_TRUE(schedule.ok()) << schedule.error().message();
    for (const Isa isa : available_isas()) {
      if (isa == Isa::scalar && rows > 9) continue;
      const Compute compute{pool, ops_for(isa, Dtype::fp16), device};
      std::vector<float> out(static_cast<std::size_t>(rows * kOutputs), NAN);
      matmul(compute, *schedule, {0, rows}, problem.x.data(), problem.w, out.data());
      for (Index i = 0; i < 400; ++i) {
        const Index row = i * 37 % rows;
        const Index column = i * 101 % kOutputs;
        const float expected = expected_output(problem, *schedule, spec.family, row, column);
        ASSERT_TRUE(same_bits(out[static_cast<std::size_t>(row * kOutputs + column)], expected))
            << name_of(isa) << " rows " << rows << " row " << row << " column " << column;
      }
      // The same rows in parts of the same pass.
      std::vector<float> parts(out.size(), NAN);
      for (Index first = 0; first < rows; first += 61) {
        const RowRange range{first, std::min(Index{61}, rows - first)};
        matmul(compute, *schedule, range, problem.x.data() + first * kInputs, problem.w,
               parts.data() + first * kOutputs);
      }
      ASSERT_EQ(parts, out) << name_of(isa);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, Matmul,
    testing::Values(Case{"none", "chain", Device::v100}, Case{"none", "split_k(3)", Device::a100},
                    Case{"none", "cublas", Device::h200}, Case{"awq", "awq", Device::a100},
                    Case{"awq_marlin", "marlin_a", Device::a100},
                    Case{"awq_marlin", "marlin_b", Device::l40s},
                    Case{"gptq_marlin", "machete", Device::h100}, Case{"gptq", "exllama", Device::h100}),
    [](const auto& tested) {
      std::string name = tested.param.kernel;
      name.erase(std::remove_if(name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }),
                 name.end());
      return name + "_" + std::string(name_of(spec_of(tested.param.device).family));
    });

TEST(MatmulFaults, AScheduleThatLeavesOutputsOutIsAFault) {
  ThreadPool pool(1);
  const Problem problem = make_problem(4);
  const Compute compute{pool, ops_for(fastest_isa(), Dtype::fp16), Device::h100};
  const LinearProblem linear = {.rows = 4, .outputs = kOutputs, .inputs = kInputs};
  Schedule schedule = *schedule_for(KernelChoice{}, linear, spec_of(Device::h100));
  schedule.regions[0].columns -= 16;
  std::vector<float> out(static_cast<std::size_t>(4 * kOutputs));
  EXPECT_THROW(matmul(compute, schedule, {0, 4}, problem.x.data(), problem.w, out.data()), Fault);
}

}  // namespace
}  // namespace assay
