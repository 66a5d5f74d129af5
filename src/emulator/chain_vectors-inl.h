// Vectors, conversions and operand formats of the emulated chains. Included once for each target by
// emulator/chain.cc, before chain-inl.h.

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::RebindToSigned<FloatTag>;
using UnsignedTag = hn::RebindToUnsigned<FloatTag>;
using HalfTag = hn::ScalableTag<std::uint16_t>;  // bits of 16-bit floats
using ByteTag = hn::ScalableTag<std::uint8_t>;
using FloatVector = hn::Vec<FloatTag>;
using IntVector = hn::Vec<IntTag>;
using HalfVector = hn::Vec<HalfTag>;
using ByteVector = hn::Vec<ByteTag>;

constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(FloatTag{}));
constexpr int kBias = 127;
constexpr int kLowest = kBias - 100;  // biased exponents within which scaling is exact
constexpr int kHighest = kBias + 100;
constexpr int kHighestProduct = kBias + 60;

// A full mask compiles to the plain instruction, for whose intrinsic g++ 12 warns of an uninitialized source.
HWY_INLINE IntVector truncate(FloatVector x) {
#if HWY_TARGET == HWY_AVX3
  return IntVector{_mm512_maskz_cvttps_epi32(0xffff, x.raw)};
#else
  return IntVector{_mm256_cvttps_epi32(x.raw)};
#endif
}

// To the float of 24 significant bits next to x on the side of zero.
HWY_INLINE FloatVector to_float_toward_zero(IntVector x) {
#if HWY_TARGET == HWY_AVX3
  return FloatVector{_mm512_maskz_cvt_roundepi32_ps(0xffff, x.raw, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
#else
  // Where the nearest float is farther from zero than x, the one below it. `kept` is x minus that float,
  // times the sign of x; a float of 2^31 comes back as -2^31, and the difference wraps to the right sign.
  const FloatVector nearest = hn::ConvertTo(FloatTag{}, x);
  const IntVector kept{_mm256_sign_epi32(hn::Sub(x, truncate(nearest)).raw, x.raw)};
  return hn::BitCast(FloatTag{}, hn::Add(hn::BitCast(IntTag{}, nearest), hn::ShiftRight<31>(kept)));
#endif
}

// Both vectors' lanes, each in 0 .. 0x7fff, as bytes: 255 for more. Their order is what in_order undoes.
HWY_INLINE ByteVector pack(HalfVector a, HalfVector b) {
#if HWY_TARGET == HWY_AVX3
  return ByteVector{_mm512_packus_epi16(a.raw, b.raw)};
#else
  return ByteVector{_mm256_packus_epi16(a.raw, b.raw)};
#endif
}

HWY_INLINE ByteVector in_order(ByteVector packed) {
#if HWY_TARGET == HWY_AVX3
  return ByteVector{
      _mm512_maskz_permutexvar_epi64(0xff, _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed.raw)};
#else
  return ByteVector{_mm256_permute4x64_epi64(packed.raw, _MM_SHUFFLE(3, 1, 2, 0))};
#endif
}

// Operand formats. The exponent e of an operand is kept as e + kMaxExponent + kBias + kOffset, or 0 for a
// zero; of a weight as the distance kMaxExponent - e, or all ones for a zero. Their saturated difference is
// the product's exponent + kBias + kOffset, which is at least 1, or 0 if a factor is zero.
struct Fp16 {
  using Half = hwy::float16_t;
  using Exponent = std::uint8_t;
  static constexpr int kMinExponent = -14;
  static constexpr int kMaxExponent = 15;
  static constexpr Exponent kInfiniteField = 31;
  static constexpr int kOffset = 0;
  static constexpr bool kWatchesProducts = false;  // they are zero or within 2^-48 .. 2^32

  // Of two vectors of weights without their signs.
  static HWY_INLINE ByteVector distances(HalfVector a, HalfVector b, ByteVector& largest_field) {
    const ByteTag d;
    const ByteVector field = pack(hn::ShiftRight<10>(a), hn::ShiftRight<10>(b));
    largest_field = hn::Max(largest_field, field);
    const ByteVector distance = hn::Sub(hn::Set(d, Exponent{30}), hn::Max(field, hn::Set(d, Exponent{1})));
    return in_order(hn::IfThenElse(hn::Eq(pack(a, b), hn::Zero(d)), hn::Set(d, Exponent{255}), distance));
  }
};

struct Bf16 {
  using Half = hwy::bfloat16_t;
  using Exponent = std::uint16_t;
  static constexpr int kMinExponent = -126;
  static constexpr int kMaxExponent = 127;
  static constexpr Exponent kInfiniteField = 255;
  static constexpr int kOffset = 200;
  static constexpr bool kWatchesProducts = true;

  // Of one vector of weights without their signs.
  static HWY_INLINE HalfVector distances(HalfVector a, HalfVector& largest_field) {
    const HalfTag d;
    const HalfVector field = hn::ShiftRight<7>(a);
    largest_field = hn::Max(largest_field, field);
    const HalfVector distance = hn::Sub(hn::Set(d, Exponent{254}), hn::Max(field, hn::Set(d, Exponent{1})));
    return hn::IfThenElse(hn::Eq(a, hn::Zero(d)), hn::Set(d, Exponent{0xffff}), distance);
  }
};
