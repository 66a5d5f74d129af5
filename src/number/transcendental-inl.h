// The bodies of portable_exp and portable_log, to be included inside a namespace: once by transcendental.h
// for one float, once for each instruction set by kernels/cpu, once by kernels/cuda. No include guard on
// purpose, and no includes. ASSAY_HOST_DEVICE is __host__ __device__ under nvcc.

template <class Ops, class I>
ASSAY_HOST_DEVICE typename Ops::F power_of_two(Ops ops, I exponent) {
  return ops.bits_to_float(ops.template shift_left<23>(ops.add_int(exponent, ops.set_int(127))));
}

// e^x. x < -104 gives +0, x > 88.73 gives infinity, NaN gives NaN; subnormal results are rounded once.
// Cody-Waite reduction x = n ln2 + r, |r| <= 0.35, then the degree-7 Taylor polynomial (truncation 2^-27 of
// the result).
template <class Ops>
ASSAY_HOST_DEVICE typename Ops::F portable_exp(Ops ops, typename Ops::F x) {
  using F = typename Ops::F;
  const F clamped = ops.min(ops.max(x, ops.set(-104.0F)), ops.set(89.0F));
  // Adding 1.5*2^23 rounds to the nearest integer; taking it away again is exact.
  const F shift = ops.set(0x1.8p23F);
  const F n = ops.sub(ops.fma(clamped, ops.set(0x1.715476p0F), shift), shift);
  const F high = ops.fma(n, ops.set(-0x1.62e4p-1F), clamped);  // ln2's high part has 14 bits: exact
  const F low = ops.set(-0x1.7f7d1cp-20F);
  const F r = ops.fma(n, low, high);
  const F r_error = ops.fma(n, low, ops.sub(high, r));
  F p = ops.set(1.0F / 5040.0F);
  p = ops.fma(p, r, ops.set(1.0F / 720.0F));
  p = ops.fma(p, r, ops.set(1.0F / 120.0F));
  p = ops.fma(p, r, ops.set(1.0F / 24.0F));
  p = ops.fma(p, r, ops.set(1.0F / 6.0F));
  p = ops.fma(p, r, ops.set(0.5F));
  // 1 + r as an unevaluated sum, so that only the last addition rounds at the size of the result.
  const F one = ops.set(1.0F);
  const F sum = ops.add(one, r);
  const F sum_error = ops.sub(r, ops.sub(sum, one));
  const F tail = ops.fma(ops.mul(r, r), p, r_error);
  p = ops.add(sum, ops.add(sum_error, tail));
  // 2^n in two factors, so that subnormal and overflowing results round once, in the last product.
  const auto integer = ops.to_int(n);
  const auto half = ops.template shift_right<1>(integer);
  const F result =
      ops.mul(ops.mul(p, power_of_two(ops, half)), power_of_two(ops, ops.sub_int(integer, half)));
  return ops.select(ops.is_nan(x), x, result);
}

// Natural logarithm of a positive normal or subnormal x. +infinity gives +infinity, 0 gives -infinity, a
// negative x or NaN gives NaN. x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m-1)/(m+1),
// is avoided (a division rounds): the polynomial in f = m - 1 is that of Cephes logf (Moshier, 1989),
// evaluated with fma.
template <class Ops>
ASSAY_HOST_DEVICE typename Ops::F portable_log(Ops ops, typename Ops::F x) {
  using F = typename Ops::F;
  const auto subnormal = ops.less(x, ops.set(0x1p-126F));
  const F scaled = ops.select(subnormal, ops.mul(x, ops.set(0x1p25F)), x);
  // Subtracting the bits of sqrt(1/2) makes the exponent field count from there.
  const auto bits = ops.sub_int(ops.float_to_bits(scaled), ops.set_int(0x3f3504f3));
  const F exponent = ops.sub(ops.to_float(ops.template shift_right<23>(bits)),
                             ops.select(subnormal, ops.set(25.0F), ops.set(0.0F)));
  const auto mantissa_bits = ops.add_int(ops.and_int(bits, ops.set_int(0x007fffff)), ops.set_int(0x3f3504f3));
  const F f = ops.sub(ops.bits_to_float(mantissa_bits), ops.set(1.0F));
  F p = ops.set(7.0376836292e-2F);
  p = ops.fma(p, f, ops.set(-1.1514610310e-1F));
  p = ops.fma(p, f, ops.set(1.1676998740e-1F));
  p = ops.fma(p, f, ops.set(-1.2420140846e-1F));
  p = ops.fma(p, f, ops.set(1.4249322787e-1F));
  p = ops.fma(p, f, ops.set(-1.6668057665e-1F));
  p = ops.fma(p, f, ops.set(2.0000714765e-1F));
  p = ops.fma(p, f, ops.set(-2.4999993993e-1F));
  p = ops.fma(p, f, ops.set(3.3333331174e-1F));
  const F square = ops.mul(f, f);
  F tail = ops.mul(ops.mul(p, f), square);
  tail = ops.fma(exponent, ops.set(-2.12194440e-4F), tail);
  tail = ops.fma(ops.set(-0.5F), square, tail);
  F result = ops.fma(exponent, ops.set(0.693359375F), ops.add(f, tail));
  const F infinity = ops.set(INFINITY);
  result = ops.select(ops.less(x, infinity), result, x);  // +infinity and NaN return themselves
  result = ops.select(ops.less(x, ops.set(0.0F)), ops.set(NAN), result);
  const auto positive = ops.less(ops.set(0.0F), x);
  const auto negative = ops.less(x, ops.set(0.0F));
  const F zero_or_nan = ops.select(ops.is_nan(x), x, ops.set(-INFINITY));
  return ops.select(positive, result, ops.select(negative, result, zero_or_nan));
}
