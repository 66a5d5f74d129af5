#include "kernels/recipes/machete.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

using testing::HasSubstr;

LinearProblem problem_of(Index rows, Index outputs, Index inputs, Index group = 128) {
  return {.rows = rows, .outputs = outputs, .inputs = inputs, .group_size = group};
}

DeviceSpec hopper(int sms) {
  DeviceSpec spec = spec_of(Device::h100);
  spec.sm_count = sms;
  return spec;
}

// By another program from the same sources (tools/marlin_machete_partition.py) (108 SMs: no Hopper card, but the rule is the same).
TEST(Machete, PiecesOfQwen3LayersAreThoseOfTheTable) {
  const std::string expected =
#include "kernels/recipes/machete_split_table.inc"
      ;
  std::string found;
  for (const int sms : {132, 114, 108, 78}) {
    for (const Layer& layer : kQwen3Layers) {
      for (const Index rows : {1, 16, 17, 32, 64, 128, 256, 512, 1024, 2048}) {
        const LinearProblem problem = problem_of(rows, layer.outputs, layer.inputs);
        const Schedule schedule = *machete_schedule(problem, hopper(sms));
        EXPECT_EQ(first_defect(schedule, problem), "");
        const MacheteTile tile = machete_tile(rows, layer.outputs, layer.inputs);
        found += fmt::format("{} {} {} {}x{} {} cuts {}\n", sms, layer.name, rows, tile.outputs, tile.rows,
                             split_counts(schedule, 1, tile.rows, tile.outputs), schedule.orders.size());
      }
    }
  }
  EXPECT_EQ(found, expected);
}

TEST(Machete, FullWavesAreOneChain) {
  for (const Layer& layer : kQwen3Layers) {
    for (const Index rows : {257, 512, 1793, 2048, 8065, 8192}) {
      const auto schedule = *machete_schedule(problem_of(rows, layer.outputs, layer.inputs), hopper(132));
      ASSERT_EQ(schedule.orders.size(), 1U) << layer.name << rows;
      EXPECT_EQ(schedule.orders[0].walks, (std::vector<Walk>{{0, layer.inputs, layer.inputs, 1}}));
      EXPECT_EQ(schedule.regions.size(), 1U);
    }
  }
}

TEST(Machete, PiecesAreAddedInAscendingK) {
  // 4 output tiles of 20 k-tiles on 10 SMs: 10 units, 8 k-tiles each, cut at 8, 16, 24 (20 + 4), 32, ...
  // of 80.
  const LinearProblem problem = problem_of(1, 512, 1280);
  const Schedule schedule = *machete_schedule(problem, hopper(10));
  EXPECT_EQ(first_defect(schedule, problem), "");
  ASSERT_EQ(schedule.orders.size(), 2U);
  // A boundary 4 into a tile moves back to its edge, one 4 before the end moves on to it.
  EXPECT_EQ(schedule.orders[0].walks, (std::vector<Walk>{{0, 512, 512, 1}, {512, 768, 768, 1}}));
  EXPECT_EQ(schedule.orders[0].adds, (std::vector<Add>{{0, 1}}));
  EXPECT_EQ(schedule.orders[1].walks, (std::vector<Walk>{{0, 768, 768, 1}, {768, 512, 512, 1}}));
}

TEST(Machete, AMultipleOfTheTilesSplitsEvenly) {
  const LinearProblem problem = problem_of(1, 128, 64 * 35, 64);
  const Schedule schedule = *machete_schedule(problem, hopper(4));
  ASSERT_EQ(schedule.orders.size(), 1U);  // 35 k-tiles by 4
  EXPECT_EQ(
      schedule.orders[0].walks,
      (std::vector<Walk>{{0, 576, 576, 1}, {576, 576, 576, 1}, {1152, 576, 576, 1}, {1728, 512, 512, 1}}));
  EXPECT_EQ(schedule.orders[0].adds, (std::vector<Add>{{0, 1}, {0, 2}, {0, 3}}));
}

TEST(Machete, PlantedDifferencesShow) {
  const LinearProblem o = problem_of(16, 4096, 4096);
  const auto orders = [](const LinearProblem& p, Device device) {
    return machete_schedule(p, spec_of(device))->orders;
  };
  EXPECT_NE(orders(o, Device::h100), orders(o, Device::h100_pcie));
  EXPECT_NE(orders(o, Device::h100), orders(o, Device::h20));
  EXPECT_EQ(orders(o, Device::h100), orders(o, Device::h200));
  EXPECT_NE(orders(o, Device::h100), orders(problem_of(64, 4096, 4096), Device::h100));
}

TEST(Machete, AnyProblemIsCoveredOnAnyDevice) {
  std::mt19937 random(2);
  const auto pick = [&](Index most) {
    return static_cast<Index>(random() % static_cast<unsigned>(most)) + 1;
  };
  for (int round = 0; round < 400; ++round) {
    const Index inputs = 128 * pick(round % 3 == 0 ? 100 : 20);
    const LinearProblem problem =
        problem_of(pick(round % 4 == 0 ? 3000 : 300), 128 * pick(round % 5 == 0 ? 300 : 20), inputs,
                   round % 2 == 0 ? 128 : inputs);
    for (const DeviceSpec& spec : device_table()) {
      const auto schedule = machete_schedule(problem, spec);
      ASSERT_EQ(schedule.ok(), spec.family == Family::hopper) << spec.name;
      if (!schedule) continue;
      ASSERT_EQ(first_defect(*schedule, problem), "")
          << fmt::format("{} M {} N {} K {}", spec.name, problem.rows, problem.outputs, problem.inputs);
      for (const SumOrder& order : schedule->orders) {
        for (const Walk& walk : order.walks) ASSERT_TRUE(order.walks.size() == 1 || walk.run >= 8 * 64);
      }
    }
  }
}

TEST(Machete, RefusalsNameWhatTheyExpect) {
  const auto message = [](const LinearProblem& problem, Device device = Device::h100) {
    return machete_schedule(problem, spec_of(device)).error().message();
  };
  EXPECT_EQ(message(problem_of(1, 192, 128)),
            "kernel machete: expected outputs (N) a multiple of 128, found 192");
  EXPECT_EQ(message(problem_of(1, 128, 96, 96)),
            "kernel machete: expected inputs (K) a multiple of 64, found 96");
  EXPECT_THAT(message(problem_of(1, 128, 192)), HasSubstr("a multiple of the group size 128, found 192"));
  EXPECT_THAT(message(problem_of(1, 128, 128, 32)),
              HasSubstr("group size 64, 128 or the whole column, found 32"));
  EXPECT_THAT(message(problem_of(1, 128, 128), Device::a100), HasSubstr("capability 9.0, found a100"));
  EXPECT_THAT(message(problem_of(1, 128, 128), Device::b200), HasSubstr("capability 9.0, found b200"));
  LinearProblem other = problem_of(1, 128, 128);
  other.zero_points = true;
  EXPECT_THAT(message(other), HasSubstr("without zero points"));
}

}  // namespace
}  // namespace assay
