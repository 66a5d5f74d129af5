// Fails if fast-math, contraction or flush-to-zero has crept into the flags this program was compiled with.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace assay {
namespace {

// Operands pass through volatile so that the compiler computes at run time what the flags allow it to.
template <class T>
T opaque(T value) {
  volatile T hidden = value;
  return hidden;
}

TEST(ArithmeticFlags, NoFastMathMacro) {
#ifdef __FAST_MATH__
  FAIL() << "compiled with value-changing optimisations";
#endif
  EXPECT_EQ(std::fpclassify(opaque(std::numeric_limits<float>::denorm_min())), FP_SUBNORMAL);
}

TEST(ArithmeticFlags, NanIsNotItself) {
  const float nan = opaque(std::numeric_limits<float>::quiet_NaN());
  const float other = nan;
  EXPECT_FALSE(nan == other);
}

TEST(ArithmeticFlags, SumsAreNotReassociated) {
  const float big = opaque(1e8F);
  const float one = opaque(1.0F);
  EXPECT_EQ((big + one) - big, 0.0F);
}

TEST(ArithmeticFlags, SubnormalsSurvive) {
  const float smallest = opaque(std::numeric_limits<float>::min());
  EXPECT_NE(smallest / 2.0F, 0.0F);
}

TEST(ArithmeticFlags, ProductAndSumAreNotContracted) {
  // a*a = 1 + 2^-11 + 2^-24 rounds to 1 + 2^-11; only a fused product and sum would keep the last term.
  const float a = opaque(1.0F + 0x1p-12F);
  const float rounded = opaque(1.0F + 0x1p-11F);
  EXPECT_EQ(a * a - rounded, 0.0F);
  EXPECT_EQ(std::fma(a, a, -rounded), 0x1p-24F);
}

}  // namespace
}  // namespace assay
