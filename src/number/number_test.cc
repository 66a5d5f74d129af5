#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "number/compare.h"
#include "number/dtype.h"
#include "number/float16.h"

namespace assay {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Float16, EveryFp16RoundTripsAndDecodesToItsValue) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = from_fp16(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(from_fp16(to_fp16(value))));
      continue;
    }
    EXPECT_EQ(to_fp16(value), half);
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 1023;
    if (exponent == 31) continue;
    const double expected =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    EXPECT_EQ(std::fabs(value), expected);
  }
}

// Every midpoint between neighbours, and the floats on both sides of it.
TEST(Float16, RoundsToNearestEvenAtEveryMidpoint) {
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const auto high = static_cast<std::uint16_t>(bits + 1);
    const float middle = (from_fp16(low) + from_fp16(high)) / 2;  // exact in FP32
    EXPECT_EQ(to_fp16(middle), (bits & 1) == 0 ? low : high);
    EXPECT_EQ(to_fp16(std::nextafter(middle, 0.0F)), low);
    EXPECT_EQ(to_fp16(std::nextafter(middle, kInf)), high);
  }
  EXPECT_EQ(to_fp16(65519.996F), 0x7bff);
  EXPECT_EQ(to_fp16(65520.0F), 0x7c00);
}

TEST(Float16, OddFloatsKeepRoundingSingle) {
  EXPECT_EQ(to_odd_float(1.5), 1.5F);
  EXPECT_EQ(to_odd_float(1.0 + 0x1p-40), 1.0F + 0x1p-23F);
  EXPECT_EQ(to_odd_float(-1.0 - 0x1p-40), -1.0F - 0x1p-23F);
  EXPECT_EQ(to_odd_float(1.0 - 0x1p-40), 1.0F - 0x1p-24F);
  EXPECT_EQ(to_odd_float(1.0 + 0x1p-23 + 0x1p-40), 1.0F + 0x1p-23F);
  // Around every midpoint of FP16, by less than FP32 can say.
  for (std::uint32_t half = 1; half < 0x7bffU; ++half) {
    const double low = from_fp16(static_cast<std::uint16_t>(half));
    const double high = from_fp16(static_cast<std::uint16_t>(half + 1));
    const double middle = (low + high) / 2;
    EXPECT_EQ(to_fp16(to_odd_float(middle * (1 + 0x1p-45))), half + 1);
    EXPECT_EQ(to_fp16(to_odd_float(middle * (1 - 0x1p-45))), half);
    EXPECT_EQ(to_fp16(to_odd_float(-middle * (1 + 0x1p-45))), 0x8000U + half + 1);
    EXPECT_EQ(to_fp16(to_odd_float(middle)), half % 2 == 0 ? half : half + 1);
  }
}

TEST(Float16, Bf16RoundsToNearestEvenAtEveryMidpoint) {
  for (std::uint32_t bits = 0; bits < 0x7f7f; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const auto high = static_cast<std::uint16_t>(bits + 1);
    const float middle = std::bit_cast<float>((bits << 16) | 0x8000U);
    EXPECT_EQ(to_bf16(from_bf16(low)), low);
    EXPECT_EQ(to_bf16(middle), (bits & 1) == 0 ? low : high);
    EXPECT_EQ(to_bf16(std::bit_cast<float>((bits << 16) | 0x7fffU)), low);
    EXPECT_EQ(to_bf16(std::bit_cast<float>((bits << 16) | 0x8001U)), high);
  }
  EXPECT_TRUE(std::isnan(from_bf16(to_bf16(kNan))));
}

TEST(Compare, NanFailsEveryComparison) {
  EXPECT_FALSE(within(kNan, kNan, 1e9));
  EXPECT_FALSE(within_relative(kNan, 1, 1e9));
  EXPECT_FALSE(within_relative(kInf, 1, 0.5));
  EXPECT_TRUE(within(kInf, kInf, 0));
  EXPECT_FALSE(within_relative(-100, -200, 0.1));
  EXPECT_FALSE(within_relative(100, 200, 0.1));
  EXPECT_EQ(ulp_distance(kNan, 1.0F), std::numeric_limits<std::uint64_t>::max());
}

TEST(Compare, UlpsCountStepsAcrossZero) {
  EXPECT_EQ(ulp_distance(1.0F, std::nextafter(1.0F, 2.0F)), 1U);
  EXPECT_EQ(ulp_distance(-0.0F, 0.0F), 0U);
  EXPECT_EQ(ulp_distance(-std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::denorm_min()),
            2U);
}

TEST(Dtype, NamesRoundTrip) {
  EXPECT_EQ(dtype_named("bfloat16"), Dtype::bf16);
  EXPECT_EQ(dtype_named("half"), std::nullopt);
}

}  // namespace
}  // namespace assay
