// exp, log, sin and cos from IEEE +, *, fma and exact bit operations alone: the same bits on every machine.
//
// exp and log are written once over `Ops`, a set of lane operations, so that the scalar and the vector forms
// are the same sequence of roundings. Errors (swept over all floats by transcendental_test.cc): exp and log
// under 1 ULP.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define ASSAY_HOST_DEVICE __host__ __device__
#else
#define ASSAY_HOST_DEVICE
#endif

namespace assay {

// Lane operations on one float, on the host and on CUDA devices. kernels/cpu has the same on SIMD vectors.
struct ScalarOps {
  using F = float;
  using I = std::int32_t;
  using M = bool;
  ASSAY_HOST_DEVICE F set(float x) const { return x; }
  ASSAY_HOST_DEVICE I set_int(std::int32_t x) const { return x; }
  ASSAY_HOST_DEVICE F add(F a, F b) const { return a + b; }
  ASSAY_HOST_DEVICE F sub(F a, F b) const { return a - b; }
  ASSAY_HOST_DEVICE F mul(F a, F b) const { return a * b; }
  ASSAY_HOST_DEVICE F fma(F a, F b, F c) const { return std::fma(a, b, c); }
  ASSAY_HOST_DEVICE F min(F a, F b) const { return a < b ? a : b; }  // b when a is NaN
  ASSAY_HOST_DEVICE F max(F a, F b) const { return a > b ? a : b; }
  ASSAY_HOST_DEVICE I to_int(F x) const { return static_cast<I>(x); }  // exact: x holds a small integer
  ASSAY_HOST_DEVICE F to_float(I x) const { return static_cast<F>(x); }
  ASSAY_HOST_DEVICE F bits_to_float(I x) const { return std::bit_cast<F>(x); }
  ASSAY_HOST_DEVICE I float_to_bits(F x) const { return std::bit_cast<I>(x); }
  ASSAY_HOST_DEVICE I add_int(I a, I b) const { return a + b; }
  ASSAY_HOST_DEVICE I sub_int(I a, I b) const { return a - b; }
  ASSAY_HOST_DEVICE I and_int(I a, I b) const { return a & b; }
  template <int kBits>
  ASSAY_HOST_DEVICE I shift_left(I a) const {
    return static_cast<I>(static_cast<std::uint32_t>(a) << kBits);
  }
  template <int kBits>
  ASSAY_HOST_DEVICE I shift_right(I a) const {
    return a >> kBits;
  }
  ASSAY_HOST_DEVICE M less(F a, F b) const { return a < b; }
  ASSAY_HOST_DEVICE M is_nan(F a) const { return a != a; }
  ASSAY_HOST_DEVICE F select(M mask, F yes, F no) const { return mask ? yes : no; }
};

#include "number/transcendental-inl.h"

ASSAY_HOST_DEVICE inline float portable_exp(float x) { return portable_exp(ScalarOps{}, x); }
ASSAY_HOST_DEVICE inline float portable_log(float x) { return portable_log(ScalarOps{}, x); }

// theta^(-fraction) for theta >= 1 and 0 <= fraction <= 1, within 2^-45 relative; for rotary frequencies.
double portable_inverse_power(double theta, double fraction);

struct SinCos {
  double sin;
  double cos;
};

// |angle| <= 2^22 radians, absolute error under 2^-40: enough that FP16 and BF16 tables are nearly always
// correctly rounded.
SinCos portable_sincos(double angle);

}  // namespace assay
