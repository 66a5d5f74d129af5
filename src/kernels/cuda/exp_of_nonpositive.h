// The exponentials of a softmax, whose arguments are never positive.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "number/transcendental.h"

namespace assay {

// portable_exp(x) for x <= 0 and -infinity, with equal bits (+0 for NaN): without what only other inputs need, and with another
// scaling, which rounds once too. p 2^(n + 64) is normal: n >= -150 and p > 1/2.
ASSAY_HOST_DEVICE inline float exp_of_nonpositive(float x) {
  const float clamped = fmaxf(x, -104.0F);
  // The low bits of `shifted` are n + 64.
  const float shifted = fmaf(clamped, 0x1.715476p0F, 0x1.8p23F + 64.0F);
  const float n = shifted - (0x1.8p23F + 64.0F);
  const float high = fmaf(n, -0x1.62e4p-1F, clamped);
  const float r = fmaf(n, -0x1.7f7d1cp-20F, high);
  const float r_error = fmaf(n, -0x1.7f7d1cp-20F, high - r);
  float p = fmaf(1.0F / 5040.0F, r, 1.0F / 720.0F);
  p = fmaf(p, r, 1.0F / 120.0F);
  p = fmaf(p, r, 1.0F / 24.0F);
  p = fmaf(p, r, 1.0F / 6.0F);
  p = fmaf(p, r, 0.5F);
  const float sum = 1.0F + r;
  const float sum_error = r - (sum - 1.0F);
  p = sum + (sum_error + fmaf(r * r, p, r_error));
  const std::uint32_t scaled =
      std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(shifted) << 23);
  return std::bit_cast<float>(scaled) * 0x1p-64F;
}

}  // namespace assay
