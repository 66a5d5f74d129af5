// A block of chains in vectors of columns, equal bit for bit to reference_chain. Included once for each
// target by emulator/chain.cc.
//
// Each step runs in two passes. First the largest exponent of each output's products, in 8- or 16-bit lanes;
// then each product is scaled so that its last kept bit is a unit, truncated to an integer and added. A sum
// of at most 8 products (each below 2^(F+2)) and c (below 2^(F+1)) fits 32 bits; of 16 products two sums are
// kept and their 33-bit total is watched for overflow. What the passes cannot do (infinities, NaN, exponents
// beyond 2^-100 .. 2^100, that overflow) is only detected; such a block is computed again by reference_chain.

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using IntTag = hn::RebindToSigned<FloatTag>;
using UnsignedTag = hn::RebindToUnsigned<FloatTag>;
using FloatVector = hn::Vec<FloatTag>;
using IntVector = hn::Vec<IntTag>;
using UnsignedVector = hn::Vec<UnsignedTag>;

constexpr Index kLanes = static_cast<Index>(hn::MaxLanes(FloatTag{}));
constexpr Index kBlockRows = 64;
constexpr Index kBlockPanels = 4;
constexpr Index kBlockColumns = kBlockPanels * kPanelColumns;

constexpr int kBias = 127;
constexpr int kLowest = kBias - 100;  // biased exponents within which scaling is exact
constexpr int kHighest = kBias + 100;

// Operand formats: how 16 weights are decoded, and exponents in lanes that can hold the sum of two. kZero is
// the exponent of a zero: twice it is below any product's, and still fits.
struct Fp16 {
  using Half = hwy::float16_t;
  using Exponent = std::int8_t;
  static constexpr Exponent kZero = -64;
  static constexpr int kMinExponent = -14;
  static constexpr int kFieldShift = 10;
  static constexpr int kFieldBias = 15;
  static constexpr std::int16_t kInfinity = 0x7c00;
  static constexpr bool kWatchesLowProducts = false;  // products are at least 2^-48
};

struct Bf16 {
  using Half = hwy::bfloat16_t;
  using Exponent = std::int16_t;
  static constexpr Exponent kZero = -10000;
  static constexpr int kMinExponent = -126;
  static constexpr int kFieldShift = 7;
  static constexpr int kFieldBias = 127;
  static constexpr std::int16_t kInfinity = 0x7f80;
  static constexpr bool kWatchesLowProducts = true;
};

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
  const FloatTag d;
  const IntTag i;
  const IntVector magnitude = hn::Abs(x);
  const FloatVector nearest = hn::ConvertTo(d, magnitude);
  const IntVector back = truncate(nearest);  // 2^31 comes back negative
  const auto beyond = hn::Or(hn::Gt(back, magnitude), hn::Lt(back, hn::Zero(i)));
  const IntVector bits = hn::Add(hn::BitCast(i, nearest), hn::VecFromMask(i, beyond));
  return hn::BitCast(d, hn::Or(bits, hn::And(x, hn::Set(i, std::numeric_limits<std::int32_t>::min()))));
#endif
}

template <class Format, Index kProducts, int kFraction>
class Block {
 public:
  // Computes outputs [row, row + rows) x [column, column + columns) of t into its own memory; false: it could
  // not.
  HWY_NOINLINE bool run(const Chain& t, Index row, Index rows, Index column, Index columns) {
    rows_ = rows;
    panels_ = (columns + kPanelColumns - 1) / kPanelColumns;
    const float* a = t.a + row * t.a_stride;
    const std::uint16_t* panels = t.panels + column / kPanelColumns * t.panel_stride;
    load(t, row, column, columns);
    for (Index j = 0; j < t.walk.count; ++j) {
      const Index start = t.walk.first + j * t.walk.stride;
      for (Index i = 0; i < t.walk.run; i += kProducts) {
        const Index n = HWY_MIN(kProducts, t.walk.run - i);
        decode(panels + (start + i) * kPanelColumns, t.panel_stride, n);
        if (n == kProducts) {
          step(a + start + i, t.a_stride);
        } else {
          step(padded(a + start + i, t.a_stride, n), kProducts);
        }
      }
    }
    return !spoiled();
  }

  void store(const Chain& t, Index row, Index column, Index columns) const {
    for (Index r = 0; r < rows_; ++r) {
      std::memcpy(t.c + (row + r) * t.c_stride + column, c_ + r * kBlockColumns,
                  static_cast<std::size_t>(columns) * sizeof(float));
    }
  }

 private:
  using Exponent = typename Format::Exponent;

  HWY_INLINE void load(const Chain& t, Index row, Index column, Index columns) {
    std::memset(c_, 0, sizeof(c_));
    for (Index r = 0; t.accumulate && r < rows_; ++r) {
      std::memcpy(c_ + r * kBlockColumns, t.c + (row + r) * t.c_stride + column,
                  static_cast<std::size_t>(columns) * sizeof(float));
    }
  }

  // n rows of the operand, filled up with zeros.
  HWY_INLINE const float* padded(const float* a, Index a_stride, Index n) {
    std::memset(tail_, 0, sizeof(tail_));
    for (Index r = 0; r < rows_; ++r) {
      std::memcpy(tail_ + r * kProducts, a + r * a_stride, static_cast<std::size_t>(n) * sizeof(float));
    }
    return tail_;
  }

  HWY_INLINE void decode(const std::uint16_t* w, Index panel_stride, Index n) {
    const hn::FixedTag<std::int16_t, kPanelColumns> d;
    const hn::FixedTag<Exponent, kPanelColumns> narrow;
    auto largest = hn::BitCast(d, hn::LoadU(hn::RebindToUnsigned<decltype(d)>{}, largest_weight_));
    for (Index p = 0; p < panels_; ++p) {
      for (Index i = 0; i < kProducts; ++i) {
        float* out = w_ + (p * kProducts + i) * kPanelColumns;
        Exponent* exponents = weight_exponents_ + i * kBlockColumns + p * kPanelColumns;
        if (i >= n) {
          std::memset(out, 0, kPanelColumns * sizeof(float));
          hn::StoreU(hn::Set(narrow, Format::kZero), narrow, exponents);
          continue;
        }
        const std::uint16_t* in = w + p * panel_stride + i * kPanelColumns;
        for (Index v = 0; v < kPanelColumns; v += kLanes) {
          const hn::Rebind<typename Format::Half, FloatTag> half;
          const auto bits = hn::LoadU(half, reinterpret_cast<const typename Format::Half*>(in + v));
          hn::Store(hn::PromoteTo(FloatTag{}, bits), FloatTag{}, out + v);
        }
        const auto magnitude = hn::And(hn::LoadU(d, reinterpret_cast<const std::int16_t*>(in)),
                                       hn::Set(d, std::int16_t{0x7fff}));
        largest = hn::Max(largest, magnitude);
        const auto field =
            hn::Max(hn::ShiftRight<Format::kFieldShift>(magnitude), hn::Set(d, std::int16_t{1}));
        const auto exponent =
            hn::IfThenElse(hn::Eq(magnitude, hn::Zero(d)), hn::Set(d, std::int16_t{Format::kZero}),
                           hn::Sub(field, hn::Set(d, std::int16_t{Format::kFieldBias})));
        if constexpr (sizeof(Exponent) == 1) {
          hn::StoreU(hn::DemoteTo(narrow, exponent), narrow, exponents);
        } else {
          hn::StoreU(exponent, narrow, exponents);
        }
      }
    }
    hn::StoreU(hn::BitCast(hn::RebindToUnsigned<decltype(d)>{}, largest), hn::RebindToUnsigned<decltype(d)>{},
               largest_weight_);
  }

  HWY_INLINE void step(const float* a, Index a_stride) {
    operand_exponents(a, a_stride);
    largest_exponents();
    for (Index p = 0; p < panels_; ++p) {
      for (Index v = 0; v < kPanelColumns; v += kLanes) add_products(a, a_stride, p, v);
    }
  }

  HWY_INLINE void operand_exponents(const float* a, Index a_stride) {
    constexpr Index kPart = HWY_MIN(kLanes, kProducts);
    const hn::FixedTag<std::int32_t, kPart> d;
    const hn::FixedTag<Exponent, kPart> narrow;
    auto largest = hn::Load(d, largest_operand_);
    for (Index r = 0; r < rows_; ++r) {
      for (Index i = 0; i < kProducts; i += kPart) {
        const auto bits = hn::LoadU(d, reinterpret_cast<const std::int32_t*>(a + r * a_stride + i));
        const auto magnitude = hn::And(bits, hn::Set(d, 0x7fffffff));
        largest = hn::Max(largest, magnitude);
        const auto exponent =
            hn::Sub(hn::Max(hn::ShiftRight<23>(magnitude), hn::Set(d, kBias + Format::kMinExponent)),
                    hn::Set(d, kBias));
        const auto kept =
            hn::IfThenElse(hn::Eq(magnitude, hn::Zero(d)), hn::Set(d, int{Format::kZero}), exponent);
        hn::StoreU(hn::DemoteTo(narrow, kept), narrow, operand_exponents_ + r * kProducts + i);
      }
    }
    hn::Store(largest, d, largest_operand_);
  }

  HWY_INLINE void largest_exponents() {
    const hn::ScalableTag<Exponent> d;
    constexpr Index kWidth = static_cast<Index>(hn::MaxLanes(hn::ScalableTag<Exponent>{}));
    for (Index column = 0; column < panels_ * kPanelColumns; column += kWidth) {
      hn::Vec<decltype(d)> weights[kProducts];
#pragma GCC unroll 16
      for (Index i = 0; i < kProducts; ++i)
        weights[i] = hn::Load(d, weight_exponents_ + i * kBlockColumns + column);
      for (Index r = 0; r < rows_; ++r) {
        const Exponent* operand = operand_exponents_ + r * kProducts;
        auto largest = hn::Add(hn::Set(d, operand[0]), weights[0]);
#pragma GCC unroll 16
        for (Index i = 1; i < kProducts; ++i)
          largest = hn::Max(largest, hn::Add(hn::Set(d, operand[i]), weights[i]));
        hn::Store(largest, d, largest_ + r * kBlockColumns + column);
      }
    }
  }

  // Of all rows, one vector of columns.
  HWY_INLINE void add_products(const float* a, Index a_stride, Index panel, Index lane) {
    const FloatTag d;
    const IntTag i32;
    const UnsignedTag u32;
    const hn::Rebind<Exponent, IntTag> narrow;
    FloatVector w[kProducts];
#pragma GCC unroll 16
    for (Index i = 0; i < kProducts; ++i)
      w[i] = hn::Load(d, w_ + (panel * kProducts + i) * kPanelColumns + lane);
    const Index column = panel * kPanelColumns + lane;
    IntVector highest = hn::Load(i32, highest_);
    IntVector overflow = hn::Load(i32, overflow_);
    UnsignedVector smallest = hn::Load(u32, smallest_);
    UnsignedVector smallest_product = hn::Load(u32, smallest_product_);
    for (Index r = 0; r < rows_; ++r) {
      float* c = c_ + r * kBlockColumns + column;
      const float* x = a + r * a_stride;
      const FloatVector start = hn::Load(d, c);
      const IntVector magnitude = hn::And(hn::BitCast(i32, start), hn::Set(i32, 0x7fffffff));
      const IntVector product = hn::Add(
          hn::PromoteTo(i32, hn::LoadU(narrow, largest_ + r * kBlockColumns + column)), hn::Set(i32, kBias));
      const IntVector exponent =
          hn::Max(hn::Max(product, hn::ShiftRight<23>(magnitude)), hn::Set(i32, kLowest));
      // A zero becomes the largest unsigned number and is never the smallest.
      smallest = hn::Min(smallest, hn::BitCast(u32, hn::Sub(magnitude, hn::Set(i32, 1))));
      highest = hn::Max(highest, exponent);
      if constexpr (Format::kWatchesLowProducts) {
        smallest_product =
            hn::Min(smallest_product, hn::BitCast(u32, hn::Add(product, hn::Set(i32, kProductOffset))));
      }
      const FloatVector scale =
          hn::BitCast(d, hn::ShiftLeft<23>(hn::Sub(hn::Set(i32, kFraction + 2 * kBias), exponent)));
      const FloatVector unit = hn::BitCast(d, hn::ShiftLeft<23>(hn::Sub(exponent, hn::Set(i32, kFraction))));
      IntVector sum = truncate(hn::Mul(start, scale));
      constexpr Index kFirst = HWY_MIN(kProducts, 8);
#pragma GCC unroll 8
      for (Index i = 0; i < kFirst; ++i) {
        sum = hn::Add(sum, truncate(hn::Mul(hn::Mul(hn::Set(d, x[i]), w[i]), scale)));
      }
      if constexpr (kProducts > 8) {
        IntVector other = truncate(hn::Mul(hn::Mul(hn::Set(d, x[8]), w[8]), scale));
#pragma GCC unroll 8
        for (Index i = 9; i < kProducts; ++i) {
          other = hn::Add(other, truncate(hn::Mul(hn::Mul(hn::Set(d, x[i]), w[i]), scale)));
        }
        const IntVector total = hn::Add(sum, other);
        overflow = hn::Or(overflow, hn::And(hn::Xor(sum, total), hn::Xor(other, total)));
        sum = total;
      }
      hn::Store(hn::Mul(to_float_toward_zero(sum), unit), d, c);
    }
    hn::Store(highest, i32, highest_);
    hn::Store(overflow, i32, overflow_);
    hn::Store(smallest, u32, smallest_);
    hn::Store(smallest_product, u32, smallest_product_);
  }

  // Whether anything was met that the vectors cannot compute.
  bool spoiled() const {
    bool bad = false;
    for (Index i = 0; i < kPanelColumns; ++i) {
      bad = bad || largest_weight_[i] >= static_cast<std::uint16_t>(Format::kInfinity);
      bad = bad || largest_operand_[i] >= 0x7f800000;
    }
    for (Index i = 0; i < kLanes; ++i) {
      bad = bad || highest_[i] > kHighest || overflow_[i] < 0;
      bad = bad || smallest_[i] < (static_cast<std::uint32_t>(kLowest) << 23) - 1;
      bad = bad || smallest_product_[i] < static_cast<std::uint32_t>(kLowest + kProductOffset);
    }
    return bad;
  }

  static constexpr int kProductOffset = 200;  // makes the biased exponent of every nonzero product positive
  static_assert(sizeof(Exponent) == 1 || 2 * Format::kZero + 2 * kBias + kProductOffset < 0);

  Index rows_ = 0;
  Index panels_ = 0;
  HWY_ALIGN float w_[kBlockPanels * kProducts * kPanelColumns] = {};
  HWY_ALIGN float c_[kBlockRows * kBlockColumns];
  HWY_ALIGN float tail_[kBlockRows * kProducts];
  HWY_ALIGN Exponent weight_exponents_[kProducts * kBlockColumns] = {};
  HWY_ALIGN Exponent operand_exponents_[kBlockRows * kProducts];
  HWY_ALIGN Exponent largest_[kBlockRows * kBlockColumns];
  HWY_ALIGN std::uint16_t largest_weight_[kPanelColumns] = {};
  HWY_ALIGN std::int32_t largest_operand_[kPanelColumns] = {};
  HWY_ALIGN std::int32_t highest_[kLanes] = {};
  HWY_ALIGN std::int32_t overflow_[kLanes] = {};
  HWY_ALIGN std::uint32_t smallest_[kLanes] = {};
  HWY_ALIGN std::uint32_t smallest_product_[kLanes] = {};

 public:
  Block() {
    std::fill_n(smallest_, kLanes, ~0U);
    std::fill_n(smallest_product_, kLanes, ~0U);
  }
};

template <class Format, Index kProducts, int kFraction>
HWY_NOINLINE void chain_in_blocks(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  for (Index column = 0; column < t.columns; column += kBlockColumns) {
    const Index columns = HWY_MIN(kBlockColumns, t.columns - column);
    for (Index row = 0; row < t.rows; row += kBlockRows) {
      const Index rows = HWY_MIN(kBlockRows, t.rows - row);
      Block<Format, kProducts, kFraction> block;
      if (block.run(t, row, rows, column, columns)) {
        block.store(t, row, column, columns);
        continue;
      }
      Chain part = t;
      part.a += row * t.a_stride;
      part.rows = rows;
      part.panels += column / kPanelColumns * t.panel_stride;
      part.columns = columns;
      part.c += row * t.c_stride + column;
      reference_chain(arithmetic, weights, part);
    }
  }
}

template <Index kProducts, int kFraction>
void chain_of_format(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  weights == Dtype::fp16 ? chain_in_blocks<Fp16, kProducts, kFraction>(arithmetic, weights, t)
                         : chain_in_blocks<Bf16, kProducts, kFraction>(arithmetic, weights, t);
}

void vector_chain(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  if (arithmetic == DotArithmetic{16, 25}) return chain_of_format<16, 25>(arithmetic, weights, t);
  if (arithmetic == DotArithmetic{8, 24}) return chain_of_format<8, 24>(arithmetic, weights, t);
  if (arithmetic == DotArithmetic{4, 23}) return chain_of_format<4, 23>(arithmetic, weights, t);
  reference_chain(arithmetic, weights, t);
}
