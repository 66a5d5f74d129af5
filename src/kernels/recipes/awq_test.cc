#include "kernels/recipes/awq.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "kernels/recipes/dense.h"
#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

using testing::HasSubstr;

LinearProblem problem_of(Index rows, Index outputs, Index inputs, Index group = 128) {
  return {.rows = rows, .outputs = outputs, .inputs = inputs, .group_size = group, .zero_points = true};
}

TEST(Awq, EightInterleavedSplitsBelow256Rows) {
  const DeviceSpec& a100 = spec_of(Device::a100);
  const Schedule schedule = *awq_schedule(problem_of(255, 4096, 4096), a100);
  ASSERT_EQ(schedule.orders.size(), 1U);
  const SumOrder& order = schedule.orders[0];
  ASSERT_EQ(order.walks.size(), 8U);
  EXPECT_EQ(order.walks[3], (Walk{96, 32, 256, 16}));
  EXPECT_TRUE(order.rounds_walks);
  EXPECT_EQ(order.adds, (std::vector<Add>{{0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {0, 2}, {0, 3}}));
  EXPECT_EQ(awq_schedule(problem_of(1, 4096, 4096), spec_of(Device::h20))->orders, schedule.orders);
}

TEST(Awq, OneChainFrom256Rows) {
  const LinearProblem problem = problem_of(256, 4096, 4096);
  EXPECT_EQ(awq_schedule(problem, spec_of(Device::t4))->orders, chain_schedule(problem).orders);
}

// The source: bound = ceil(K / 32 / 8), one less for a split whose last chunk would begin beyond K.
TEST(Awq, LaterSplitsAreShorterWhereEightDoesNotDivideTheChunks) {
  for (const Index inputs : {32, 96, 256, 288, 320, 4128}) {
    const auto order = awq_schedule(problem_of(1, 128, inputs, 32), spec_of(Device::a100))->orders.at(0);
    for (Index z = 0; z < 8; ++z) {
      Index bound = (inputs / 32 + 7) / 8;
      if ((bound - 1) * 8 * 32 + z * 32 >= inputs) --bound;
      EXPECT_EQ(order.walks.at(static_cast<std::size_t>(z)).count, bound) << inputs << " " << z;
    }
  }
}

TEST(Awq, AnyProblemIsCoveredOnAnyDevice) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    const Index group = Index{32} << random() % 3;
    const LinearProblem problem =
        problem_of(1 + random() % 400, 128 * (1 + random() % 40), group * (1 + random() % 60), group);
    for (const DeviceSpec& spec : device_table()) {
      const auto schedule = awq_schedule(problem, spec);
      ASSERT_EQ(schedule.ok(), spec.compute_capability >= 75) << spec.name;
      if (!schedule) continue;
      ASSERT_EQ(first_defect(*schedule, problem), "") << problem.inputs;
    }
  }
}

TEST(Awq, RefusalsNameWhatTheyExpect) {
  const auto message = [](const LinearProblem& problem, Device device = Device::a100) {
    return awq_schedule(problem, spec_of(device)).error().message();
  };
  EXPECT_THAT(message(problem_of(1, 128, 128), Device::v100), HasSubstr("7.5 or more, found v100"));
  EXPECT_THAT(message(problem_of(1, 192, 128, 64)), HasSubstr("the 64-column variant"));
  EXPECT_THAT(message(problem_of(1, 128, 128, 48)), HasSubstr("that 32 divides, found 48"));
  EXPECT_THAT(message(problem_of(1, 128, 512, 512)),
              HasSubstr("outputs (N) a multiple of the group size 512"));
  EXPECT_THAT(message(problem_of(1, 128, 192)), HasSubstr("inputs (K) a multiple of the group size 128"));
  LinearProblem bf16 = problem_of(1, 128, 128);
  bf16.dtype = Dtype::bf16;
  EXPECT_EQ(message(bf16), "kernel awq: expected dtype float16, found bfloat16");
}

}  // namespace
}  // namespace assay
