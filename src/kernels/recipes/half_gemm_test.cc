#include "kernels/recipes/half_gemm.h"

#include <gtest/gtest.h>

#include <array>

#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

LinearProblem problem_of(Index rows, Index outputs, Index inputs) {
  return {.rows = rows, .outputs = outputs, .inputs = inputs, .group_size = 128};
}

TEST(HalfGemm, SplitsAsMeasured) {
  const DeviceSpec& h200 = spec_of(Device::h200);
  EXPECT_EQ(half_gemm_split(problem_of(51, 256, 1024), h200), (HalfGemmSplit{8, false, true}));
  EXPECT_EQ(half_gemm_split(problem_of(416, 256, 1024), h200), (HalfGemmSplit{1, false, true}));
  EXPECT_EQ(half_gemm_split(problem_of(65, 4096, 12288), h200), (HalfGemmSplit{3, true, true}));
  EXPECT_EQ(half_gemm_split(problem_of(64, 4096, 4096), spec_of(Device::h100)),
            (HalfGemmSplit{4, false, true}));
}

TEST(HalfGemm, OneChainStandsInForWhatIsNotMeasured) {
  const HalfGemmSplit unknown{1, false, false};
  EXPECT_EQ(half_gemm_split(problem_of(300, 6144, 4096), spec_of(Device::h200)), unknown);  // stream-K
  EXPECT_EQ(half_gemm_split(problem_of(9000, 4096, 4096), spec_of(Device::h200)),
            unknown);  // beyond the table
  EXPECT_EQ(half_gemm_split(problem_of(64, 4096, 4096), spec_of(Device::a100)), unknown);
  EXPECT_EQ(half_gemm_split(problem_of(64, 1000, 4096), spec_of(Device::h200)), unknown);
}

TEST(HalfGemm, SchedulesCoverTheProductInFp16) {
  for (const LinearProblem& problem :
       {problem_of(51, 256, 1024), problem_of(65, 4096, 12288), problem_of(300, 40, 50)}) {
    const Schedule schedule = half_gemm_schedule(problem, spec_of(Device::h200));
    EXPECT_EQ(first_defect(schedule, problem), "");
    ASSERT_EQ(schedule.orders.size(), 1U);
    EXPECT_EQ(schedule.orders[0].accumulator, Accumulator::fp16);
  }
  const Schedule down = half_gemm_schedule(problem_of(65, 4096, 12288), spec_of(Device::h200));
  EXPECT_EQ(down.orders[0].walks[0].first, 8192);
  EXPECT_EQ(down.orders[0].walks[2].first, 0);
}

TEST(HalfGemm, EvidenceIsOverAllRowCounts) {
  const std::array tiny = {problem_of(0, 512, 256), problem_of(0, 256, 256), problem_of(0, 2048, 256),
                           problem_of(0, 256, 1024)};
  const std::array large = {problem_of(0, 6144, 4096)};
  EXPECT_EQ(half_gemm_evidence(tiny, spec_of(Device::h100), 8192), "measured");
  EXPECT_EQ(half_gemm_evidence(large, spec_of(Device::h100), 8192), "partly measured");
  EXPECT_EQ(half_gemm_evidence(tiny, spec_of(Device::a100), 8192), "not measured");
}

}  // namespace
}  // namespace assay
