// portable_exp (number/transcendental.h) in fewer instructions, where less is asked of it.
#pragma once

#include <bit>
#include <cstdint>

namespace assay {

// The bits of portable_exp(x) for -104 <= x <= 89 whose n = round(x / ln 2) has n + kBias between -125 and 126.
// The same steps, but for two. n + kBias is read from the bits of the sum that rounds it (adding an even number to
// that sum moves no tie). And 2^n is applied as 2^(n + kBias), exact on the exponent field since the factor before
// it is in [1/2, 2), then 2^-kBias, the one product that rounds, as the last product of portable_exp does.
template <int kBias>
__device__ __forceinline__ float exp_in_range(float x) {
  static_assert(kBias % 2 == 0);
  constexpr float kShift = 0x1.8p23F + kBias;
  constexpr float kUnbias = std::bit_cast<float>((127 - kBias) << 23);  // 2^-kBias
  const float shifted = __fmaf_rn(x, 0x1.715476p0F, kShift);
  const float n = shifted - kShift;
  const float high = __fmaf_rn(n, -0x1.62e4p-1F, x);
  constexpr float kLow = -0x1.7f7d1cp-20F;
  const float r = __fmaf_rn(n, kLow, high);
  const float r_error = __fmaf_rn(n, kLow, high - r);
  float p = __fmaf_rn(1.0F / 5040.0F, r, 1.0F / 720.0F);
  p = __fmaf_rn(p, r, 1.0F / 120.0F);
  p = __fmaf_rn(p, r, 1.0F / 24.0F);
  p = __fmaf_rn(p, r, 1.0F / 6.0F);
  p = __fmaf_rn(p, r, 0.5F);
  const float sum = 1.0F + r;
  const float sum_error = r - (sum - 1.0F);
  const float tail = __fmaf_rn(r * r, p, r_error);
  const std::uint32_t bits = __float_as_uint(sum + (sum_error + tail)) + (__float_as_uint(shifted) << 23);
  return __uint_as_float(bits) * kUnbias;
}

// 1 + portable_exp(x) for any x but NaN: below -30 the sum is 1.
__device__ __forceinline__ float one_plus_exp(float x) {
  return 1.0F + exp_in_range<-64>(fminf(fmaxf(x, -30.0F), 89.0F));
}

}  // namespace assay
