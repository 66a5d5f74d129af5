// The scalar model against exact sums where it cuts nothing but the result, and hand-made cases of each rule.
#include "emulator/dot_model.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "base/error.h"
#include "emulator/test_numbers.h"
#include "number/compare.h"

namespace assay {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float step(Family family, float c, std::initializer_list<float> a, std::initializer_list<float> b,
           Operand operand = Operand::fp16) {
  return fused_dot_add(*dot_arithmetic(family, operand), operand, c, a.begin(), b.begin(),
                       static_cast<Index>(a.size()));
}

TEST(DotModel, FamiliesKeepTheirFractionBits) {
  // 1 - 2^-F stays, half of it is cut: the last kept bit below the largest term.
  for (const auto& [family, bits] :
       {std::pair{Family::volta, 23}, std::pair{Family::turing, 24}, std::pair{Family::ampere, 24},
        std::pair{Family::ada, 24}, std::pair{Family::hopper, 25}, std::pair{Family::blackwell, 25}}) {
    const float last = std::ldexp(1.0F, -bits);
    EXPECT_EQ(step(family, 1.0F, {1.0F}, {-1.0F}), 0.0F);
    EXPECT_EQ(step(family, -last, {1.0F, -1.0F}, {1.0F, 1.0F}), -last) << bits;
    EXPECT_EQ(step(family, -last / 2, {1.0F, -1.0F}, {1.0F, 1.0F}), 0.0F) << bits;
  }
}

TEST(DotModel, TruncatesTowardZeroAndNotToNearest) {
  EXPECT_EQ(step(Family::hopper, 1.0F, {0x1p-12F}, {0x1.8p-12F}), 1.0F);
  EXPECT_EQ(step(Family::hopper, -1.0F, {0x1p-12F}, {0x1p-13F}), -std::nextafter(1.0F, 0.0F));
}

TEST(DotModel, ExponentOfAProductIsNotNormalised) {
  // 1.5 * 1.5 = 2.25 counts as exponent 0: 2^-25 is kept beside it on Hopper, though 2.25 >= 2.
  EXPECT_EQ(step(Family::hopper, 0x1p-25F, {1.5F, -1.5F}, {1.5F, 1.5F}), 0x1p-25F);
}

TEST(DotModel, SubnormalsCountWithTheSmallestNormalExponent) {
  // 2^-24 (subnormal in FP16) times 2^-14 has exponent -28, not -38.
  EXPECT_EQ(step(Family::ampere, 0x1p-53F, {0x1p-24F}, {0x1p-14F}), 0x1p-38F);
  EXPECT_EQ(step(Family::ampere, 0x1p-52F, {0x1p-24F}, {0x1p-14F}), 0x1p-38F + 0x1p-52F);
}

TEST(DotModel, ZerosTakeNoPart) {
  EXPECT_EQ(step(Family::hopper, 0x1p-60F, {0.0F, 0.0F}, {65504.0F, 1.0F}), 0x1p-60F);
  EXPECT_TRUE(same_bits(step(Family::hopper, -0.0F, {0.0F}, {1.0F}), 0.0F));
}

TEST(DotModel, SpecialValues) {
  constexpr auto kNan = 0x7fffffffU;
  EXPECT_EQ(step(Family::hopper, 1.0F, {kInfinity}, {-2.0F}), -kInfinity);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(step(Family::hopper, kInfinity, {kInfinity}, {-2.0F})), kNan);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(step(Family::hopper, 0.0F, {kInfinity}, {0.0F})), kNan);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(step(Family::hopper, NAN, {1.0F}, {1.0F})), kNan);
  EXPECT_EQ(step(Family::hopper, std::numeric_limits<float>::max(), {0x1p127F}, {1.0F}, Operand::bf16),
            kInfinity);
}

TEST(DotModel, SubnormalResultsAreTruncated) {
  EXPECT_EQ(step(Family::hopper, 0.0F, {0x1.8p-100F}, {0x1p-49F}, Operand::bf16), 0x1p-149F);
  EXPECT_EQ(step(Family::hopper, 0x1p-149F, {0x1p-100F}, {0x1.8p-50F}, Operand::bf16), 0x1p-149F);
}

TEST(DotModel, Fp8ResultsKeepThirteenBits) {
  EXPECT_EQ(step(Family::ada, 0.0F, {1.0F, 0x1p-6F}, {1.0F, 0x1p-6F}, Operand::fp8_e4m3), 1.0F + 0x1p-12F);
  EXPECT_EQ(step(Family::ada, 0x1p-14F, {1.0F}, {1.0F}, Operand::fp8_e4m3), 1.0F);
  EXPECT_FALSE(dot_arithmetic(Family::ampere, Operand::fp8_e4m3).has_value());
}

// Integers below 2^11: no term has bits below 2^0, which F = 25 keeps under every exponent there is. So the model is
// the exact sum, up to 2^26, cut once to 24 bits.
TEST(DotModel, IsTheExactSumTruncatedWhereNothingIsCutBefore) {
  std::mt19937 random(3);
  int cut = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    std::array<float, 16> a;
    std::array<float, 16> b;
    std::int64_t exact = 0;
    for (std::size_t i = 0; i < 16; ++i) {
      const int x = static_cast<int>(random() % 4095) - 2047;
      const int y = trial % 2 == 0 ? static_cast<int>(random() % 4095) - 2047 : (x < 0 ? -1 : 1) * 1777;
      a[i] = static_cast<float>(x);
      b[i] = static_cast<float>(y);
      exact += std::int64_t{x} * y;
    }
    std::int64_t magnitude = exact < 0 ? -exact : exact;
    std::int64_t unit = 1;
    while (magnitude / unit >= 1 << 24) unit *= 2;
    cut += magnitude % unit != 0 ? 1 : 0;
    magnitude -= magnitude % unit;
    const auto expected = static_cast<float>(exact < 0 ? -magnitude : magnitude);
    ASSERT_EQ(fused_dot_add({16, 25}, Operand::fp16, 0.0F, a.data(), b.data(), 16), expected);
  }
  EXPECT_GT(cut, 100);
}

float half_step(float c, std::initializer_list<float> a, std::initializer_list<float> b,
                Family family = Family::hopper) {
  const auto arithmetic = dot_arithmetic(family, Operand::fp16, Accumulator::fp16);
  return fused_dot_add(*arithmetic, Operand::fp16, c, a.begin(), b.begin(), static_cast<Index>(a.size()));
}

TEST(HalfAccumulator, RoundsTheSumOnceToNearestEven) {
  EXPECT_EQ(half_step(1.0F, {0x1p-11F}, {1.0F}), 1.0F);  // ties to even
  EXPECT_EQ(half_step(1.0F + 0x1p-10F, {0x1p-11F}, {1.0F}), 1.0F + 0x1p-9F);
  // Just above the tie, by less than FP32 could say: rounding to FP32 first would lose it.
  EXPECT_EQ(half_step(1.0F, {0x1p-11F, 0x1p-12F}, {1.0F, 0x1p-13F}), 1.0F + 0x1p-10F);
  EXPECT_EQ(half_step(1.0F, {0x1p-11F, 0x1p-13F}, {1.0F, 0x1p-13F}), 1.0F);  // 2^-26 is cut
}

TEST(HalfAccumulator, SubnormalsAndOverflow) {
  EXPECT_EQ(half_step(0.0F, {0x1p-12F}, {0x1p-12F}), 0x1p-24F);
  EXPECT_EQ(half_step(0x1p-24F, {0x1p-12F}, {0x1p-13F}), 0x1p-23F);        // a tie goes to even
  EXPECT_TRUE(same_bits(half_step(0.0F, {0x1p-14F}, {-0x1p-12F}), 0.0F));  // never -0
  // A subnormal accumulator counts with 2^-14, so that 2^-40 beside it is cut and the tie stays a tie.
  EXPECT_EQ(half_step(0x1p-23F, {0x1p-12F, 0x1p-20F}, {0x1p-13F, 0x1p-20F}), 0x1p-23F);
  EXPECT_EQ(half_step(65504.0F, {15.0F}, {1.0F}), 65504.0F);
  EXPECT_EQ(half_step(-65504.0F, {-16.0F}, {1.0F}), -kInfinity);
  EXPECT_EQ(half_step(kInfinity, {1.0F}, {1.0F}), kInfinity);
  EXPECT_TRUE(same_bits(half_step(kInfinity, {-kInfinity}, {1.0F}), from_fp16(0x7fff)));
}

TEST(HalfAccumulator, ExistsForHalfOperandsOnly) {
  for (const Operand operand : {Operand::bf16, Operand::fp8_e4m3, Operand::fp8_e5m2}) {
    EXPECT_FALSE(dot_arithmetic(Family::hopper, operand, Accumulator::fp16).has_value());
  }
  EXPECT_FALSE(dot_arithmetic(Family::ieee, Operand::fp16, Accumulator::fp16).has_value());
}

// Every pair of finite E4M3 values: a product has at most 8 significant bits and stays as it is.
TEST(DotModel, EveryFp8Product) {
  const auto decode = [](std::uint32_t bits) {
    const std::uint32_t field = bits >> 3 & 15;
    const float fraction = static_cast<float>(bits & 7) / 8;
    const float magnitude =
        field == 0 ? std::ldexp(fraction, -6) : std::ldexp(1 + fraction, static_cast<int>(field) - 7);
    return (bits & 0x80) != 0 ? -magnitude : magnitude;
  };
  for (const Family family : {Family::ada, Family::hopper, Family::blackwell}) {
    const DotArithmetic arithmetic = *dot_arithmetic(family, Operand::fp8_e4m3);
    for (std::uint32_t x = 0; x < 256; ++x) {
      for (std::uint32_t y = 0; y < 256; ++y) {
        if ((x & 0x7f) == 0x7f || (y & 0x7f) == 0x7f) continue;  // NaN
        const float a = decode(x);
        const float b = decode(y);
        const float expected = a * b == 0 ? 0.0F : a * b;
        ASSERT_TRUE(same_bits(fused_dot_add(arithmetic, Operand::fp8_e4m3, 0.0F, &a, &b, 1), expected))
            << a << " " << b;
      }
    }
  }
}

TEST(DotArithmetic, OlderFamiliesHaveNoBfloat) {
  EXPECT_FALSE(dot_arithmetic(Family::volta, Operand::bf16).has_value());
  EXPECT_FALSE(dot_arithmetic(Family::turing, Operand::bf16).has_value());
  EXPECT_FALSE(dot_arithmetic(Family::ieee, Operand::fp16).has_value());
  EXPECT_THROW((void)operand_of(Dtype::fp32), Fault);
}

}  // namespace
}  // namespace assay
