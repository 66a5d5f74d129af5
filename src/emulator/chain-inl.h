// A block of chains in vectors of columns, equal bit for bit to reference_chain. Included once for each
// target by emulator/chain.cc, after chain_vectors-inl.h.
//
// Each step runs in two passes. First the largest exponent of each output's products, in 8- or 16-bit lanes;
// then each product is scaled so that its last kept bit is a unit, truncated to an integer and added. A sum
// of at most 8 products (each below 2^(F+2)) and c (below 2^(F+1)) fits 32 bits; of 16 products two sums are
// kept and their 33-bit total is watched for overflow. What the passes cannot do is only detected, and such a
// block is computed again by reference_chain: infinities, NaN, that overflow, and what would take a term out
// of the range 2^-100 .. 2^100, in which scaling is exact. For the range it is enough to look at the c that a
// chain starts from and at BF16's products: a later c is a multiple of 2^(-100 - F), so that nothing of it is
// lost where it is smaller than 2^-100, and fewer than 2^30 products below 2^62 do not take it beyond 2^100.

constexpr Index kBlockRows = 64;
constexpr Index kBlockPanels = 8;
constexpr Index kBlockColumns = kBlockPanels * kPanelColumns;

template <class Format, Index kProducts, int kFraction, Accumulator kAccumulator>
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
    if (t.accumulate && starts_out_of_range()) return false;
    for (Index j = 0; j < t.walk.count; ++j) {
      const Index start = t.walk.first + j * t.walk.stride;
      for (Index i = 0; i < t.walk.run; i += kProducts) {
        const Index n = HWY_MIN(kProducts, t.walk.run - i);
        const std::uint16_t* w = panels + (start + i) * kPanelColumns;
        operands(a + start + i, t.a_stride, n);
        if (n == kProducts) {
          step(w, t.panel_stride);
        } else {
          step(padded(w, t.panel_stride, n), kProducts * kPanelColumns);
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
  using ExponentTag = hn::ScalableTag<Exponent>;
  using ExponentVector = hn::Vec<ExponentTag>;

  static constexpr Index kExponentLanes = static_cast<Index>(hn::MaxLanes(ExponentTag{}));
  static constexpr Index kHalfPanels = 2 * kLanes / kPanelColumns;  // in a vector of weights
  // Exponents of operands are stored as often as fits 32 bits, to be broadcast from there.
  static constexpr int kReplicate = sizeof(Exponent) == 1 ? 0x01010101 : 0x00010001;

  // c, with zeros up to the end of the last panel.
  HWY_INLINE void load(const Chain& t, Index row, Index column, Index columns) {
    for (Index r = 0; r < rows_; ++r) {
      float* c = c_ + r * kBlockColumns;
      std::memset(c, 0, static_cast<std::size_t>(panels_ * kPanelColumns) * sizeof(float));
      if (!t.accumulate) continue;
      std::memcpy(c, t.c + (row + r) * t.c_stride + column,
                  static_cast<std::size_t>(columns) * sizeof(float));
    }
  }

  HWY_INLINE bool starts_out_of_range() const {
    const UnsignedTag d;
    auto smallest = hn::Set(d, ~0U);
    auto largest = hn::Zero(d);
    for (Index r = 0; r < rows_; ++r) {
      for (Index i = 0; i < panels_ * kPanelColumns; i += kLanes) {
        const auto bits = hn::BitCast(d, hn::Load(FloatTag{}, c_ + r * kBlockColumns + i));
        const auto magnitude = hn::And(bits, hn::Set(d, 0x7fffffffU));
        // A zero becomes the largest number and is never the smallest.
        smallest = hn::Min(smallest, hn::Sub(magnitude, hn::Set(d, 1U)));
        largest = hn::Max(largest, magnitude);
      }
    }
    return hn::GetLane(hn::MinOfLanes(d, smallest)) < (std::uint32_t{kLowest} << 23) - 1 ||
           hn::GetLane(hn::MaxOfLanes(d, largest)) >= std::uint32_t{kHighest - 1} << 23;
  }

  // n rows of each panel, filled up with zeros.
  HWY_INLINE const std::uint16_t* padded(const std::uint16_t* w, Index panel_stride, Index n) {
    std::memset(tail_, 0, sizeof(tail_));
    for (Index p = 0; p < panels_; ++p) {
      std::memcpy(tail_ + p * kProducts * kPanelColumns, w + p * panel_stride,
                  static_cast<std::size_t>(n * kPanelColumns) * sizeof(std::uint16_t));
    }
    return tail_;
  }

  // n columns of the operand, filled up with zeros, side by side, and their exponents.
  HWY_INLINE void operands(const float* a, Index a_stride, Index n) {
    constexpr Index kPart = HWY_MIN(kLanes, kProducts);
    const hn::FixedTag<float, kPart> single;
    const hn::FixedTag<std::int32_t, kPart> d;
    auto largest = hn::Load(d, largest_operand_);
    for (Index r = 0; r < rows_; ++r) {
      float* x = a_ + r * kProducts;
      if (n == kProducts) {
        std::memcpy(x, a + r * a_stride, kProducts * sizeof(float));
      } else {
        std::memset(x, 0, kProducts * sizeof(float));
        std::memcpy(x, a + r * a_stride, static_cast<std::size_t>(n) * sizeof(float));
      }
      for (Index i = 0; i < kProducts; i += kPart) {
        const auto magnitude = hn::And(hn::BitCast(d, hn::Load(single, x + i)), hn::Set(d, 0x7fffffff));
        largest = hn::Max(largest, magnitude);
        const auto field = hn::Max(hn::ShiftRight<23>(magnitude), hn::Set(d, kBias + Format::kMinExponent));
        const auto exponent = hn::Add(field, hn::Set(d, Format::kMaxExponent + Format::kOffset));
        const auto kept = hn::IfThenElseZero(hn::Ne(magnitude, hn::Zero(d)), exponent);
        hn::Store(hn::Mul(kept, hn::Set(d, kReplicate)), d, operand_exponents_ + r * kProducts + i);
      }
    }
    hn::Store(largest, d, largest_operand_);
  }

  HWY_INLINE void step(const std::uint16_t* w, Index panel_stride) {
    weight_distances(w, panel_stride);
    largest_exponents();
    for (Index p = 0; p < panels_; ++p) {
      for (Index v = 0; v < kPanelColumns; v += kLanes) {
        add_products(w + p * panel_stride + v, p * kPanelColumns + v);
      }
    }
  }

  HWY_INLINE void weight_distances(const std::uint16_t* w, Index panel_stride) {
    constexpr Index kPanels = kExponentLanes / kPanelColumns;
    const ExponentTag d;
    ExponentVector largest = hn::Load(d, largest_weight_field_);
    for (Index p = 0; p < panels_; p += kPanels) {
      const std::uint16_t* panels[kPanels];
      // Beyond the last panel it is read again: what comes of it is not used.
      for (Index q = 0; q < kPanels; ++q) panels[q] = w + HWY_MIN(p + q, panels_ - 1) * panel_stride;
      for (Index i = 0; i < kProducts; ++i) {
        Exponent* out = weight_distances_ + i * kBlockColumns + p * kPanelColumns;
        const HalfVector first = magnitudes(panels, i);
        if constexpr (sizeof(Exponent) == 1) {
          hn::Store(Format::distances(first, magnitudes(panels + kHalfPanels, i), largest), d, out);
        } else {
          hn::Store(Format::distances(first, largest), d, out);
        }
      }
    }
    hn::Store(largest, d, largest_weight_field_);
  }

  // Row i of one or two panels, without signs.
  static HWY_INLINE HalfVector magnitudes(const std::uint16_t* const* panels, Index i) {
    const HalfTag d;
    HalfVector bits;
    if constexpr (kHalfPanels == 1) {
      bits = hn::LoadU(d, panels[0] + i * kPanelColumns);
    } else {
      const hn::Half<HalfTag> half;
      bits = hn::Combine(d, hn::LoadU(half, panels[1] + i * kPanelColumns),
                         hn::LoadU(half, panels[0] + i * kPanelColumns));
    }
    return hn::And(bits, hn::Set(d, std::uint16_t{0x7fff}));
  }

  HWY_INLINE void largest_exponents() {
    const ExponentTag d;
    const hn::Repartition<std::int32_t, ExponentTag> words;
    ExponentVector smallest_product = hn::Load(d, smallest_product_);
    ExponentVector largest_product = hn::Load(d, largest_product_);
    for (Index column = 0; column < panels_ * kPanelColumns; column += kExponentLanes) {
      ExponentVector weights[kProducts];
#pragma GCC unroll 16
      for (Index i = 0; i < kProducts; ++i)
        weights[i] = hn::Load(d, weight_distances_ + i * kBlockColumns + column);
      for (Index r = 0; r < rows_; ++r) {
        const std::int32_t* operand = operand_exponents_ + r * kProducts;
        ExponentVector largest = hn::SaturatedSub(hn::BitCast(d, hn::Set(words, operand[0])), weights[0]);
#pragma GCC unroll 16
        for (Index i = 1; i < kProducts; ++i) {
          largest =
              hn::Max(largest, hn::SaturatedSub(hn::BitCast(d, hn::Set(words, operand[i])), weights[i]));
        }
        if constexpr (Format::kWatchesProducts) {
          // A zero becomes the largest number and is never the smallest.
          smallest_product = hn::Min(smallest_product, hn::Sub(largest, hn::Set(d, Exponent{1})));
          largest_product = hn::Max(largest_product, largest);
          largest = hn::SaturatedSub(largest, hn::Set(d, Exponent{Format::kOffset}));
        }
        hn::Store(hn::Max(largest, hn::Set(d, Exponent{kLowest})), d, largest_ + r * kBlockColumns + column);
      }
    }
    hn::Store(smallest_product, d, smallest_product_);
    hn::Store(largest_product, d, largest_product_);
  }

  struct Start {
    FloatVector c;
    IntVector largest;  // exponent of c and the products, as the bits of that power of two
  };

  HWY_INLINE Start start_of(Index row, Index column) const {
    const IntTag d;
    const hn::Rebind<Exponent, IntTag> narrow;
    const Index i = row * kBlockColumns + column;
    const FloatVector c = hn::Load(FloatTag{}, c_ + i);
    const IntVector product = hn::ShiftLeft<23>(hn::PromoteTo(d, hn::Load(narrow, largest_ + i)));
    const IntVector field = hn::And(hn::BitCast(d, c), hn::Set(d, 0x7f800000));
    if constexpr (kAccumulator == Accumulator::fp32) return {c, hn::Max(product, field)};
    // FP16's subnormals count with its smallest normal exponent.
    const IntVector least =
        hn::IfThenZeroElse(hn::Eq(field, hn::Zero(d)), hn::Set(d, (kBias + Fp16::kMinExponent) << 23));
    return {c, hn::Max(product, hn::Max(field, least))};
  }

  // sum * unit as an FP16 accumulator keeps it. The sum first becomes a float with 24 significant bits, odd
  // where bits were lost; as 24 is at least 2 more than FP16 keeps, the one rounding that follows is that of
  // the exact sum (Boldo and Melquiond, "When double rounding is odd", 2005).
  static HWY_INLINE FloatVector to_half(IntVector sum, FloatVector unit) {
    const FloatTag d;
    const IntTag i;
    const hn::Rebind<hwy::float16_t, FloatTag> half;
    const FloatVector truncated = to_float_toward_zero(sum);
    const auto exact = hn::Eq(truncate(truncated), sum);
    const IntVector odd = hn::Or(hn::BitCast(i, truncated), hn::IfThenZeroElse(exact, hn::Set(i, 1)));
    const FloatVector rounded = hn::PromoteTo(d, hn::DemoteTo(half, hn::Mul(hn::BitCast(d, odd), unit)));
    return hn::IfThenZeroElse(hn::Eq(rounded, hn::Zero(d)), rounded);  // never -0
  }

  // Of all rows, one vector of columns.
  HWY_INLINE void add_products(const std::uint16_t* panel, Index column) {
    const FloatTag d;
    const IntTag i32;
    const hn::Rebind<typename Format::Half, FloatTag> half;
    FloatVector w[kProducts];
#pragma GCC unroll 16
    for (Index i = 0; i < kProducts; ++i) {
      const auto* bits = reinterpret_cast<const typename Format::Half*>(panel + i * kPanelColumns);
      w[i] = hn::PromoteTo(d, hn::LoadU(half, bits));
    }
    IntVector overflow = hn::Load(i32, overflow_);
    Start next = start_of(0, column);
    for (Index r = 0; r < rows_; ++r) {
      const float* x = a_ + r * kProducts;
      const Start start = next;
      next = start_of(HWY_MIN(r + 1, rows_ - 1), column);  // early, which hides its latency
      const FloatVector scale =
          hn::BitCast(d, hn::Sub(hn::Set(i32, (kFraction + 2 * kBias) << 23), start.largest));
      const FloatVector unit = hn::BitCast(d, hn::Sub(start.largest, hn::Set(i32, kFraction << 23)));
      IntVector sum = truncate(hn::Mul(start.c, scale));
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
      float* c = c_ + r * kBlockColumns + column;
      if constexpr (kAccumulator == Accumulator::fp32) {
        hn::Store(hn::Mul(to_float_toward_zero(sum), unit), d, c);
      } else {
        const FloatVector kept = to_half(sum, unit);
        overflow = hn::Or(overflow, hn::VecFromMask(i32, hn::RebindMask(i32, hn::IsInf(kept))));
        hn::Store(kept, d, c);
      }
    }
    hn::Store(overflow, i32, overflow_);
  }

  // Whether anything was met that the vectors cannot compute.
  bool spoiled() const {
    bool bad = false;
    for (const Exponent field : largest_weight_field_) bad = bad || field == Format::kInfiniteField;
    for (const std::int32_t operand : largest_operand_) bad = bad || operand >= 0x7f800000;
    for (const std::int32_t sign : overflow_) bad = bad || sign < 0;
    if constexpr (Format::kWatchesProducts) {
      for (const Exponent smallest : smallest_product_) bad = bad || smallest < kLowest + Format::kOffset - 1;
      for (const Exponent largest : largest_product_)
        bad = bad || largest > kHighestProduct + Format::kOffset;
    }
    return bad;
  }

  Index rows_ = 0;
  Index panels_ = 0;
  HWY_ALIGN float a_[kBlockRows * kProducts];
  HWY_ALIGN float c_[kBlockRows * kBlockColumns];
  HWY_ALIGN std::uint16_t tail_[kBlockColumns * kProducts];
  HWY_ALIGN Exponent weight_distances_[kProducts * kBlockColumns];
  HWY_ALIGN std::int32_t operand_exponents_[kBlockRows * kProducts];
  HWY_ALIGN Exponent largest_[kBlockRows * kBlockColumns];
  HWY_ALIGN Exponent largest_weight_field_[kExponentLanes] = {};
  HWY_ALIGN std::int32_t largest_operand_[kLanes] = {};
  HWY_ALIGN std::int32_t overflow_[kLanes] = {};
  HWY_ALIGN Exponent smallest_product_[kExponentLanes];
  HWY_ALIGN Exponent largest_product_[kExponentLanes] = {};

 public:
  Block() { std::fill_n(smallest_product_, kExponentLanes, std::numeric_limits<Exponent>::max()); }
};

template <class Format, Index kProducts, int kFraction, Accumulator kAccumulator>
HWY_NOINLINE ChainBlocks chain_in_blocks(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  ChainBlocks blocks{kLanes == 16 ? Isa::avx512 : Isa::avx2};
  for (Index column = 0; column < t.columns; column += kBlockColumns) {
    const Index columns = HWY_MIN(kBlockColumns, t.columns - column);
    for (Index row = 0; row < t.rows; row += kBlockRows) {
      const Index rows = HWY_MIN(kBlockRows, t.rows - row);
      Block<Format, kProducts, kFraction, kAccumulator> block;
      if (block.run(t, row, rows, column, columns)) {
        block.store(t, row, column, columns);
        ++blocks.by_vectors;
        continue;
      }
      Chain part = t;
      part.a += row * t.a_stride;
      part.rows = rows;
      part.panels += column / kPanelColumns * t.panel_stride;
      part.columns = columns;
      part.c += row * t.c_stride + column;
      reference_chain(arithmetic, weights, part);
      ++blocks.by_model;
    }
  }
  return blocks;
}

template <Index kProducts, int kFraction>
ChainBlocks chain_of_format(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  if (arithmetic.accumulator == Accumulator::fp16) {
    return chain_in_blocks<Fp16, kProducts, kFraction, Accumulator::fp16>(arithmetic, weights, t);
  }
  return weights == Dtype::fp16
             ? chain_in_blocks<Fp16, kProducts, kFraction, Accumulator::fp32>(arithmetic, weights, t)
             : chain_in_blocks<Bf16, kProducts, kFraction, Accumulator::fp32>(arithmetic, weights, t);
}

// The arithmetic is one of the table's for FP16 and BF16 operands (emulator/arithmetic.cc).
ChainBlocks vector_chain(const DotArithmetic& arithmetic, Dtype weights, const Chain& t) {
  if (arithmetic.products == 16) return chain_of_format<16, 25>(arithmetic, weights, t);
  if (arithmetic.products == 8) return chain_of_format<8, 24>(arithmetic, weights, t);
  require(arithmetic.products == 4, "the vectors know every family's steps");
  return chain_of_format<4, 23>(arithmetic, weights, t);
}
