#include "kernels/cuda/equal_bits.h"

#include "kernels/cuda/gpu_test.h"

namespace assay {
namespace {

TEST(EqualBits, CountsEveryUnequalNumberOfTheColumnsAskedFor) {
  ASSAY_NEEDS_GPU(80);
  constexpr Index kRows = 3, kColumns = 9000, kStride = 9008;
  std::vector<std::uint16_t> a(kRows * kStride, 0x3c00);
  std::vector<std::uint16_t> b = a;
  a[0] = 1;
  a[kStride + 4500] = 2;
  a[3 * kStride - 1] = 3;  // behind the last column
  b[2 * kStride + kColumns - 1] = 4;
  const auto a_there = uploaded(a);
  const auto b_there = uploaded(b);
  const DeviceBuffer<unsigned long long> count = uploaded(std::vector<unsigned long long>{10});
  count_unequal_bits({a_there.data(), kStride}, {b_there.data(), kStride}, kRows, kColumns, count.data(),
                     nullptr);
  EXPECT_EQ(downloaded(count)[0], 13U);
}

}  // namespace
}  // namespace assay
