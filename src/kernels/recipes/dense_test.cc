#include "kernels/recipes/dense.h"

#include <gtest/gtest.h>

#include "kernels/recipes/schedule_builder.h"
#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

TEST(Chain, IsOneWalk) {
  for (const Index inputs : {1, 16, 100, 4096}) {
    const LinearProblem problem = {.rows = 3, .outputs = 5, .inputs = inputs};
    const Schedule schedule = chain_schedule(problem);
    EXPECT_EQ(first_defect(schedule, problem), "");
    EXPECT_EQ(schedule.regions, (std::vector<Region>{{0, 3, 0, 5, 0}}));
    EXPECT_EQ(schedule.orders.at(0).walks.size(), 1U);
  }
}

TEST(SplitK, RangesAreEqualAndAscend) {
  const LinearProblem problem = {.rows = 2, .outputs = 7, .inputs = 384};
  const SumOrder order = split_k_schedule(problem, 3)->orders.at(0);
  EXPECT_EQ(order.walks, (std::vector<Walk>{{0, 128, 128, 1}, {128, 128, 128, 1}, {256, 128, 128, 1}}));
  EXPECT_EQ(order.adds, (std::vector<Add>{{0, 1}, {0, 2}}));
  EXPECT_FALSE(order.rounds_walks);
  EXPECT_EQ(split_k_schedule(problem, 1)->orders, chain_schedule(problem).orders);
  for (const Index splits : {1, 2, 3, 6})
    EXPECT_EQ(first_defect(*split_k_schedule(problem, splits), problem), "");
}

TEST(SplitK, WholeTilesWithTheLastSplitShorter) {
  const LinearProblem problem = {.rows = 2, .outputs = 7, .inputs = 4096};
  EXPECT_EQ(split_k_schedule(problem, 3)->orders.at(0).walks,
            (std::vector<Walk>{{0, 1408, 1408, 1}, {1408, 1408, 1408, 1}, {2816, 1280, 1280, 1}}));
}

TEST(SplitK, RefusesASplitWithoutATile) {
  const LinearProblem problem = {.rows = 2, .outputs = 7, .inputs = 256};
  EXPECT_EQ(
      split_k_schedule(problem, 3).error().message(),
      "split_k(3): expected at least one of the 4 tiles of 64 inputs for each split, found 2 splits of 128 "
      "inputs");
  EXPECT_EQ(split_k_schedule(problem, 0).error().message(), "split_k: expected at least 1 split, found 0");
}

TEST(ScheduleBuilder, MergesNeighboursOfOneOrder) {
  ScheduleBuilder builder;
  const Index one = builder.order(ascending_sum({64}));
  const Index two = builder.order(ascending_sum({32, 32}));
  EXPECT_EQ(builder.order(ascending_sum({64})), one);
  // Two by three tiles of 4 x 8; the last column of the second order.
  for (Index i = 5; i >= 0; --i) {
    builder.add(
        {.row = i / 3 * 4, .rows = 4, .column = i % 3 * 8, .columns = 8, .order = i % 3 == 2 ? two : one});
  }
  const Schedule schedule = builder.take();
  EXPECT_EQ(schedule.regions, (std::vector<Region>{{0, 8, 0, 16, one}, {0, 8, 16, 8, two}}));
  EXPECT_EQ(first_defect(schedule, {.rows = 8, .outputs = 24, .inputs = 64}), "");
}

// The checker itself: planted faults.
TEST(FirstDefect, SeesPlantedFaults) {
  const LinearProblem problem = {.rows = 4, .outputs = 8, .inputs = 128};
  const Schedule sound = *split_k_schedule(problem, 2);
  Schedule gap = sound;
  gap.regions[0].columns = 7;
  EXPECT_NE(first_defect(gap, problem), "");
  Schedule twice = sound;
  twice.regions.push_back({3, 1, 0, 1, 0});
  EXPECT_NE(first_defect(twice, problem), "");
  Schedule missing = sound;
  missing.orders[0].walks[1].run = 16;
  EXPECT_EQ(first_defect(missing, problem), "k = 80 is missing");
  Schedule unsummed = sound;
  unsummed.orders[0].adds.clear();
  EXPECT_EQ(first_defect(unsummed, problem), "2 accumulators are left");
  Schedule into_spent = sound;
  into_spent.orders[0].adds = {{1, 0}};
  EXPECT_NE(first_defect(into_spent, problem), "");
}

}  // namespace
}  // namespace assay
