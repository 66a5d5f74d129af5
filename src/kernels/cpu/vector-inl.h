// Lane operations for one instruction set: the vector counterpart of ScalarOps, and the rounding of
// activations. Included once for each target by cpu/ops.cc.

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::RebindToSigned<FloatTag>;
using FloatVector = hn::Vec<FloatTag>;
using IntVector = hn::Vec<IntTag>;
using FloatMask = hn::Mask<FloatTag>;

constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(FloatTag{}));
static_assert(16 % kLanes == 0, "panels, reduction and softmax lanes are whole vectors");

struct VectorOps {
  using F = FloatVector;
  using I = IntVector;
  using M = FloatMask;
  HWY_INLINE F set(float x) const { return hn::Set(FloatTag{}, x); }
  HWY_INLINE I set_int(std::int32_t x) const { return hn::Set(IntTag{}, x); }
  HWY_INLINE F add(F a, F b) const { return hn::Add(a, b); }
  HWY_INLINE F sub(F a, F b) const { return hn::Sub(a, b); }
  HWY_INLINE F mul(F a, F b) const { return hn::Mul(a, b); }
  HWY_INLINE F fma(F a, F b, F c) const { return hn::MulAdd(a, b, c); }
  HWY_INLINE F min(F a, F b) const { return hn::IfThenElse(hn::Lt(a, b), a, b); }
  HWY_INLINE F max(F a, F b) const { return hn::IfThenElse(hn::Gt(a, b), a, b); }
  HWY_INLINE I to_int(F x) const { return hn::ConvertTo(IntTag{}, x); }
  HWY_INLINE F to_float(I x) const { return hn::ConvertTo(FloatTag{}, x); }
  HWY_INLINE F bits_to_float(I x) const { return hn::BitCast(FloatTag{}, x); }
  HWY_INLINE I float_to_bits(F x) const { return hn::BitCast(IntTag{}, x); }
  HWY_INLINE I add_int(I a, I b) const { return hn::Add(a, b); }
  HWY_INLINE I sub_int(I a, I b) const { return hn::Sub(a, b); }
  HWY_INLINE I and_int(I a, I b) const { return hn::And(a, b); }
  template <int kBits>
  HWY_INLINE I shift_left(I a) const {
    return hn::ShiftLeft<kBits>(a);
  }
  template <int kBits>
  HWY_INLINE I shift_right(I a) const {
    return hn::ShiftRight<kBits>(a);
  }
  HWY_INLINE M less(F a, F b) const { return hn::Lt(a, b); }
  HWY_INLINE M is_nan(F a) const { return hn::IsNaN(a); }
  HWY_INLINE F select(M mask, F yes, F no) const { return hn::IfThenElse(mask, yes, no); }
};

#include "number/transcendental-inl.h"

// The activation types a kernel is compiled for.
struct Fp16 {
  static constexpr Dtype kDtype = Dtype::fp16;
  using Half = hwy::float16_t;
  static HWY_INLINE FloatVector decode(const std::uint16_t* p) {
    const hn::Rebind<Half, FloatTag> half;
    return hn::PromoteTo(FloatTag{}, hn::LoadU(half, reinterpret_cast<const Half*>(p)));
  }
  static HWY_INLINE FloatVector round(FloatVector x) {
    const hn::Rebind<Half, FloatTag> half;
    return hn::PromoteTo(FloatTag{}, hn::DemoteTo(half, x));
  }
};

struct Bf16 {
  static constexpr Dtype kDtype = Dtype::bf16;
  using Half = hwy::bfloat16_t;
  static HWY_INLINE FloatVector decode(const std::uint16_t* p) {
    const hn::Rebind<Half, FloatTag> half;
    return hn::PromoteTo(FloatTag{}, hn::LoadU(half, reinterpret_cast<const Half*>(p)));
  }
  // Integer rounding to nearest even of the upper 16 bits; NaN keeps its upper bits and turns quiet
  // (number/float16.h).
  static HWY_INLINE FloatVector round(FloatVector x) {
    const IntTag d;
    const IntVector bits = hn::BitCast(d, x);
    const IntVector odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
    const IntVector up = hn::Add(hn::Add(bits, hn::Set(d, 0x7fff)), odd);
    const IntVector quiet = hn::Or(bits, hn::Set(d, 0x400000));
    const IntVector chosen = hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(x)), quiet, up);
    return hn::BitCast(FloatTag{}, hn::And(chosen, hn::Set(d, static_cast<std::int32_t>(0xffff0000))));
  }
};
