// Chains of multiply-adds in register tiles of kRows x kVectors vectors. A tile only groups outputs: each one
// keeps its own accumulator and sees k in order, so tiles, tails and instruction sets change no bit. Included
// once for each target by cpu/ops.cc, after vector-inl.h.

using DoubleTag = hn::ScalableTag<double>;
using DoubleVector = hn::Vec<DoubleTag>;
constexpr Index kDoubleLanes = kLanes / 2;

// Where vector v of a tile starts: panels are 16 columns wide, vectors kLanes.
HWY_INLINE const std::uint16_t* vector_start(const Chain& t, Index first_column, Index v, Index lanes) {
  const Index column = first_column + v * lanes;
  return t.panels + column / kPanelColumns * t.panel_stride + t.walk.first * kPanelColumns +
         column % kPanelColumns;
}

template <class Weights, int kRows, int kVectors>
HWY_INLINE void ieee_tile(const Chain& t, Index row, Index column, float* c, Index c_stride) {
  const FloatTag d;
  FloatVector sums[kRows][kVectors];
  const std::uint16_t* w[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    w[v] = vector_start(t, column, v, kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      sums[r][v] = t.accumulate ? hn::LoadU(d, c + r * c_stride + v * kLanes) : hn::Zero(d);
    }
  }
  const float* a = t.a + row * t.a_stride + t.walk.first;
  for (Index k = 0; k < t.walk.run; ++k) {
    FloatVector weights[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) weights[v] = Weights::decode(w[v] + k * kPanelColumns);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const FloatVector x = hn::Set(d, a[r * t.a_stride + k]);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x, weights[v], sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, c + r * c_stride + v * kLanes);
  }
}

template <class Weights>
HWY_INLINE DoubleVector decode_double(const std::uint16_t* p) {
  const hn::Rebind<typename Weights::Half, DoubleTag> half;
  const hn::Rebind<float, DoubleTag> single;
  const auto bits = hn::LoadU(half, reinterpret_cast<const typename Weights::Half*>(p));
  return hn::PromoteTo(DoubleTag{}, hn::PromoteTo(single, bits));
}

template <class Weights, int kRows, int kVectors>
HWY_INLINE void exact_tile(const Chain& t, Index row, Index column, float* c, Index c_stride) {
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> single;
  DoubleVector sums[kRows][kVectors];
  const std::uint16_t* w[kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    w[v] = vector_start(t, column, v, kDoubleLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      sums[r][v] = t.accumulate ? hn::PromoteTo(d, hn::LoadU(single, c + r * c_stride + v * kDoubleLanes))
                                : hn::Zero(d);
    }
  }
  const float* a = t.a + row * t.a_stride + t.walk.first;
  for (Index k = 0; k < t.walk.run; ++k) {
    DoubleVector weights[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) weights[v] = decode_double<Weights>(w[v] + k * kPanelColumns);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const DoubleVector x = hn::Set(d, static_cast<double>(a[r * t.a_stride + k]));
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(x, weights[v], sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v)
      hn::StoreU(hn::DemoteTo(single, sums[r][v]), single, c + r * c_stride + v * kDoubleLanes);
  }
}

template <class Weights>
struct IeeeTiles {
  static constexpr Index kVectorLanes = kLanes;
  static constexpr int kMaxRows = kLanes == 16 ? 12 : 6;
  static constexpr int kWideVectors = 8;  // one row: independent accumulators hide the latency
  template <int kRows, int kVectors>
  static HWY_INLINE void tile(const Chain& t, Index row, Index column, float* c, Index c_stride) {
    ieee_tile<Weights, kRows, kVectors>(t, row, column, c, c_stride);
  }
};

template <class Weights>
struct ExactTiles {
  static constexpr Index kVectorLanes = kDoubleLanes;
  static constexpr int kMaxRows = kLanes == 16 ? 12 : 3;
  static constexpr int kWideVectors = 8;
  template <int kRows, int kVectors>
  static HWY_INLINE void tile(const Chain& t, Index row, Index column, float* c, Index c_stride) {
    exact_tile<Weights, kRows, kVectors>(t, row, column, c, c_stride);
  }
};

// The columns of a tile that C has; a tile that ends beyond them goes through a buffer of whole panels.
template <class Tiles, int kRows, Index kColumns>
HWY_NOINLINE void rows_by_columns(const Chain& t, Index row, Index column) {
  constexpr int kVectors = static_cast<int>(kColumns / Tiles::kVectorLanes);
  float* c = t.c + row * t.c_stride + column;
  const Index valid = HWY_MIN(kColumns, t.columns - column);
  if (valid == kColumns) {
    Tiles::template tile<kRows, kVectors>(t, row, column, c, t.c_stride);
    return;
  }
  HWY_ALIGN float buffer[kRows * kColumns] = {};
  for (Index r = 0; r < kRows && t.accumulate; ++r) {
    for (Index i = 0; i < valid; ++i) buffer[r * kColumns + i] = c[r * t.c_stride + i];
  }
  Tiles::template tile<kRows, kVectors>(t, row, column, buffer, kColumns);
  for (Index r = 0; r < kRows; ++r) {
    for (Index i = 0; i < valid; ++i) c[r * t.c_stride + i] = buffer[r * kColumns + i];
  }
}

// All rows of one group of columns: as many tiles of kMaxRows as fit, then one of what is left.
template <class Tiles, Index kColumns, int kRows>
HWY_INLINE void remaining_rows(const Chain& t, Index row, Index column) {
  if constexpr (kRows > 0) {
    if (t.rows - row == kRows) {
      rows_by_columns<Tiles, kRows, kColumns>(t, row, column);
    } else {
      remaining_rows<Tiles, kColumns, kRows - 1>(t, row, column);
    }
  }
}

template <class Tiles, Index kColumns>
HWY_INLINE void column_group(const Chain& t, Index column) {
  Index row = 0;
  for (; t.rows - row >= Tiles::kMaxRows; row += Tiles::kMaxRows) {
    rows_by_columns<Tiles, Tiles::kMaxRows, kColumns>(t, row, column);
  }
  remaining_rows<Tiles, kColumns, Tiles::kMaxRows - 1>(t, row, column);
}

template <class Tiles>
HWY_NOINLINE void chain_with(const Chain& t) {
  constexpr Index kPair = 2 * Tiles::kVectorLanes > kPanelColumns ? 2 * Tiles::kVectorLanes : kPanelColumns;
  constexpr Index kWide = Tiles::kWideVectors * Tiles::kVectorLanes;
  const Index padded = (t.columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns;
  Index column = 0;
  if (t.rows == 1) {
    for (; padded - column >= kWide; column += kWide) rows_by_columns<Tiles, 1, kWide>(t, 0, column);
  }
  for (; padded - column >= kPair; column += kPair) column_group<Tiles, kPair>(t, column);
  for (; column < padded; column += kPanelColumns) column_group<Tiles, kPanelColumns>(t, column);
}

void chain(Family family, Dtype weights, const Chain& t) {
  if (family != Family::ieee && family != Family::exact) {
    emulate_chain(kLanes == 16 ? Isa::avx512 : Isa::avx2, family, weights, t);
    return;
  }
  require(t.walk.count == 1, "ieee and exact add in k order");
  require(t.accumulator == Accumulator::fp32, "ieee and exact have no FP16 accumulators");
  if (family == Family::ieee) {
    weights == Dtype::fp16 ? chain_with<IeeeTiles<Fp16>>(t) : chain_with<IeeeTiles<Bf16>>(t);
  } else {
    weights == Dtype::fp16 ? chain_with<ExactTiles<Fp16>>(t) : chain_with<ExactTiles<Bf16>>(t);
  }
}
