#include "kernels/cuda/gpu.h"

#include <gmock/gmock.h>

#include "kernels/cuda/gpu_test.h"
#include "kernels/gpus.h"

namespace assay {
namespace {

TEST(Gpu, AFailureNamesTheCallTheReasonAndTheLine) {
  try {
    check_cuda(cudaErrorInvalidValue, "cudaMemcpyAsync");
    FAIL();
  } catch (const GpuFailure& failure) {
    EXPECT_THAT(failure.what(),
                testing::AllOf(testing::HasSubstr("cudaMemcpyAsync (src/kernels/cuda/gpu_test.cc:"),
                               testing::HasSubstr("invalid argument")));
  }
}

TEST(Gpu, BuffersKeepWhatTheyAreGiven) {
  ASSAY_NEEDS_GPU(80);
  const std::vector<int> values = {1, 2, 3};
  auto buffer = uploaded(values);
  const DeviceBuffer<int> moved = std::move(buffer);
  EXPECT_EQ(downloaded(moved), values);
  EXPECT_EQ(downloaded(poisoned<unsigned>(2)), (std::vector<unsigned>{~0U, ~0U}));
}

}  // namespace
}  // namespace assay
