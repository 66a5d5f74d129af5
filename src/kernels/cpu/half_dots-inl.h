// The k block of exllama's product in vectors of columns. Included once for each target by cpu/ops.cc, after
// vector-inl.h.

// RN16(a b + c), one rounding, of a product that FP32 holds exactly and an FP16 c. Their sum need not fit
// FP32, and rounding it there to nearest and then to FP16 would round twice. So the float nearest to the sum
// is moved to its odd neighbour on the side of the sum where bits were lost (what was lost: TwoSum, exact):
// 24 bits are at least 2 more than FP16's 11, so rounding the odd float to FP16 rounds the exact sum (Boldo
// and Melquiond, "When double rounding is odd", 2005). Infinities and NaN have no lost bits here and pass
// through.
HWY_INLINE FloatVector fma_to_half(FloatVector a, FloatVector b, FloatVector c) {
  const IntTag i32;
  const FloatVector product = hn::Mul(a, b);
  const FloatVector sum = hn::MulAdd(a, b, c);
  const FloatVector from_c = hn::Sub(sum, product);
  const FloatVector lost = hn::Add(hn::Sub(product, hn::Sub(sum, from_c)), hn::Sub(c, from_c));
  const IntVector bits = hn::BitCast(i32, sum);
  // +1 makes the magnitude larger: where the lost part has the sign of the sum; -1 elsewhere.
  const IntVector step = hn::Or(hn::BroadcastSignBit(hn::BitCast(i32, hn::Xor(lost, sum))), hn::Set(i32, 1));
  const auto inexact = hn::Or(hn::Lt(lost, hn::Zero(FloatTag{})), hn::Gt(lost, hn::Zero(FloatTag{})));
  const auto even = hn::Eq(hn::And(bits, hn::Set(i32, 1)), hn::Zero(i32));
  const auto moves = hn::And(hn::RebindMask(i32, inexact), even);
  return Fp16::round(hn::BitCast(FloatTag{}, hn::Add(bits, hn::IfThenElseZero(moves, step))));
}

HWY_NOINLINE void half_dots(const HalfDots& t) {
  constexpr Index kMostK = 128;
  const FloatTag d;
  const hn::Rebind<std::int8_t, FloatTag> bytes;
  HWY_ALIGN float w[kMostK * kPanelColumns];
  for (Index i = 0; i < t.count * kPanelColumns; i += kLanes) {
    hn::Store(hn::ConvertTo(d, hn::PromoteTo(IntTag{}, hn::LoadU(bytes, t.integers + i))), d, w + i);
  }
  for (Index row = 0; row < t.rows; ++row) {
    const float* x = t.x + row * t.x_stride;
    for (Index column = 0; column < kPanelColumns; column += kLanes) {
      FloatVector sum = hn::Zero(d);
      for (Index k = 0; k < t.count; k += 8) {
        FloatVector even = hn::Zero(d);
        FloatVector odd = hn::Zero(d);
#pragma GCC unroll 4
        for (Index i = k; i < k + 8; i += 2) {
          even = fma_to_half(hn::Load(d, w + i * kPanelColumns + column), hn::Set(d, x[i]), even);
          odd = fma_to_half(hn::Load(d, w + (i + 1) * kPanelColumns + column), hn::Set(d, x[i + 1]), odd);
        }
        const float* scale = t.scales + (t.first + k) / t.group_size * kPanelColumns + column;
        sum = hn::MulAdd(hn::Add(even, odd), hn::LoadU(d, scale), sum);
      }
      hn::StoreU(Fp16::round(sum), d, t.out + row * t.out_stride + column);
    }
  }
}
