#include "engine/native/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "number/float16.h"

namespace assay {
namespace {

TEST(RotaryTable, HoldsTheRoundedSineAndCosineOfTheFp32Angle) {
  const RotaryTable table(1e6, 64, 300, Dtype::fp16);
  for (Index position : {0, 1, 2, 77, 299}) {
    for (Index i = 0; i < 32; ++i) {
      const auto frequency = static_cast<float>(std::pow(1e6, -2.0 * static_cast<double>(i) / 64.0));
      const double angle = static_cast<float>(position) * frequency;
      EXPECT_EQ(table.cosine(position)[i], round_to_fp16(static_cast<float>(std::cos(angle))));
      EXPECT_EQ(table.sine(position)[i], round_to_fp16(static_cast<float>(std::sin(angle))));
    }
  }
  EXPECT_EQ(table.positions(), 300);
  EXPECT_EQ(table.cosine(0)[5], 1.0F);
}

}  // namespace
}  // namespace assay
