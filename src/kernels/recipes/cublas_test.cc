#include "kernels/recipes/cublas.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/recipes/dense.h"
#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

constexpr LinearProblem down(Index rows, Dtype dtype = Dtype::fp16) {
  return {.rows = rows, .outputs = 4096, .inputs = 12288, .dtype = dtype};
}

TEST(Cublas, SplitsAreThoseThatWereSeen) {
  const DeviceSpec& h200 = spec_of(Device::h200);
  const auto splits = [&](const LinearProblem& problem, WeightLayout layout = WeightLayout::transposed) {
    return measured_splits(problem, h200, layout);
  };
  EXPECT_EQ(splits(down(1)), 3);
  EXPECT_EQ(splits(down(32)), 4);
  EXPECT_EQ(splits(down(255)), 1);
  EXPECT_EQ(splits(down(256)), 2);
  EXPECT_EQ(splits(down(8067)), 1);
  EXPECT_EQ(splits(down(16, Dtype::bf16)), 4);
  EXPECT_EQ(splits(down(120), WeightLayout::plain), 4);
  EXPECT_EQ(splits(down(8193)), std::nullopt);
  EXPECT_EQ(splits({.rows = 1, .outputs = 4096, .inputs = 4104}), std::nullopt);
  EXPECT_EQ(measured_splits(down(1), spec_of(Device::h20), WeightLayout::transposed), std::nullopt);
}

TEST(Cublas, TheScheduleFollowsTheTableAndElseIsTheChain) {
  const DeviceSpec& h100 = spec_of(Device::h100);
  for (const Index rows : {1, 32, 100, 256, 8067}) {
    const auto schedule = cublas_schedule(down(rows), h100, WeightLayout::transposed);
    EXPECT_EQ(first_defect(schedule, down(rows)), "");
    EXPECT_EQ(static_cast<Index>(schedule.orders[0].walks.size()),
              measured_splits(down(rows), h100, WeightLayout::transposed));
  }
  const auto elsewhere = cublas_schedule(down(1), spec_of(Device::a100), WeightLayout::transposed);
  EXPECT_EQ(elsewhere.orders, chain_schedule(down(1)).orders);
  EXPECT_TRUE(splits_vary(down(1), h100, WeightLayout::transposed));
  EXPECT_FALSE(splits_vary({.rows = 1, .outputs = 512, .inputs = 256}, h100, WeightLayout::transposed));
  const LinearProblem known = {.rows = 1, .outputs = 512, .inputs = 256};
  const LinearProblem unknown = {.rows = 1, .outputs = 520, .inputs = 256};
  const auto evidence = [](std::initializer_list<LinearProblem> problems, Device device, Index most_rows) {
    return split_evidence(std::vector(problems), spec_of(device), WeightLayout::transposed, most_rows);
  };
  EXPECT_EQ(evidence({known}, Device::h200, 8192), "measured");
  EXPECT_EQ(evidence({known}, Device::h100, 8192), "measured on h200");
  EXPECT_EQ(evidence({known}, Device::h200, 8193), "partly measured");
  EXPECT_EQ(evidence({known, unknown}, Device::h200, 8192), "partly measured");
  EXPECT_EQ(evidence({known}, Device::a100, 8192), "not measured");
}

}  // namespace
}  // namespace assay
