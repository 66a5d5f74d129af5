// Row ops for one instruction set. Tails are loaded into a vector of neutral elements, so that the lane an
// element falls in never depends on the vector length. Included once for each target by cpu/ops.cc, after
// vector-inl.h.

// x[0 .. count) followed by `fill`; count >= kLanes means a whole vector.
HWY_INLINE FloatVector load_or(const float* x, Index count, float fill) {
  const FloatTag d;
  if (count >= kLanes) return hn::LoadU(d, x);
  HWY_ALIGN float buffer[kLanes];
  for (Index i = 0; i < kLanes; ++i) buffer[i] = i < count ? x[i] : fill;
  return hn::Load(d, buffer);
}

HWY_INLINE void store_first(FloatVector v, Index count, float* out) {
  const FloatTag d;
  if (count >= kLanes) {
    hn::StoreU(v, d, out);
    return;
  }
  HWY_ALIGN float buffer[kLanes];
  hn::Store(v, d, buffer);
  for (Index i = 0; i < count; ++i) out[i] = buffer[i];
}

// The tree of kernels/ops.h over kCount virtual lanes.
template <Index kCount>
HWY_INLINE float tree_sum(const FloatVector* vectors) {
  const FloatTag d;
  HWY_ALIGN float lanes[kCount];
  for (Index v = 0; v < kCount / kLanes; ++v) hn::Store(vectors[v], d, lanes + v * kLanes);
  for (Index width = kCount / 2; width > 0; width /= 2) {
    for (Index i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

HWY_INLINE float largest(FloatVector v) {
  const FloatTag d;
  HWY_ALIGN float lanes[kLanes];
  hn::Store(v, d, lanes);
  float max = lanes[0];
  for (Index i = 1; i < kLanes; ++i) max = lanes[i] > max ? lanes[i] : max;
  return max;
}

constexpr Index kReductionVectors = kReductionLanes / kLanes;
constexpr Index kSoftmaxVectors = kSoftmaxLanes / kLanes;

template <class Round>
void round_row(const float* x, Index n, float* out) {
  for (Index i = 0; i < n; i += kLanes)
    store_first(Round::round(load_or(x + i, n - i, 0.0F)), n - i, out + i);
}

template <class Round>
void add_row(const float* x, const float* y, Index n, float* out) {
  for (Index i = 0; i < n; i += kLanes) {
    const FloatVector sum = hn::Add(load_or(x + i, n - i, 0.0F), load_or(y + i, n - i, 0.0F));
    store_first(Round::round(sum), n - i, out + i);
  }
}

void accumulate_row(const float* x, Index n, float* sum) {
  for (Index i = 0; i < n; i += kLanes) {
    const FloatVector total = hn::Add(load_or(sum + i, n - i, 0.0F), load_or(x + i, n - i, 0.0F));
    store_first(total, n - i, sum + i);
  }
}

template <class Round>
void multiply_row(const float* x, const float* y, Index n, float* out) {
  for (Index i = 0; i < n; i += kLanes) {
    const FloatVector product = hn::Mul(load_or(x + i, n - i, 0.0F), load_or(y + i, n - i, 0.0F));
    store_first(Round::round(product), n - i, out + i);
  }
}

template <class Round>
void rms_norm_row(const float* x, const float* weight, Index n, float eps, float* out) {
  const FloatTag d;
  FloatVector lanes[kReductionVectors];
  for (FloatVector& lane : lanes) lane = hn::Zero(d);
  for (Index i = 0; i < n; i += kReductionLanes) {
    for (Index v = 0; v < kReductionVectors && i + v * kLanes < n; ++v) {
      const FloatVector value = load_or(x + i + v * kLanes, n - i - v * kLanes, 0.0F);
      lanes[v] = hn::MulAdd(value, value, lanes[v]);
    }
  }
  const float scale = 1.0F / std::sqrt(tree_sum<kReductionLanes>(lanes) / static_cast<float>(n) + eps);
  for (Index i = 0; i < n; i += kLanes) {
    const FloatVector scaled = Round::round(hn::Mul(load_or(x + i, n - i, 0.0F), hn::Set(d, scale)));
    store_first(Round::round(hn::Mul(scaled, load_or(weight + i, n - i, 0.0F))), n - i, out + i);
  }
}

template <class Round>
void silu_mul_row(const float* gate, const float* up, Index n, float* out) {
  const FloatTag d;
  for (Index i = 0; i < n; i += kLanes) {
    const FloatVector g = load_or(gate + i, n - i, 0.0F);
    const FloatVector denominator = hn::Add(hn::Set(d, 1.0F), portable_exp(VectorOps{}, hn::Neg(g)));
    const FloatVector activated = Round::round(hn::Div(g, denominator));
    store_first(Round::round(hn::Mul(activated, load_or(up + i, n - i, 0.0F))), n - i, out + i);
  }
}

template <class Round>
void rope_row(float* x, const float* cosine, const float* sine, Index half) {
  for (Index i = 0; i < half; i += kLanes) {
    const Index count = half - i;
    const FloatVector lo = load_or(x + i, count, 0.0F);
    const FloatVector hi = load_or(x + i + half, count, 0.0F);
    const FloatVector c = load_or(cosine + i, count, 0.0F);
    const FloatVector s = load_or(sine + i, count, 0.0F);
    const FloatVector new_lo = hn::Sub(Round::round(hn::Mul(lo, c)), Round::round(hn::Mul(hi, s)));
    const FloatVector new_hi = hn::Add(Round::round(hn::Mul(hi, c)), Round::round(hn::Mul(lo, s)));
    store_first(Round::round(new_lo), count, x + i);
    store_first(Round::round(new_hi), count, x + i + half);
  }
}

template <class Round>
float softmax_tile_row(float* scores, Index n, float scale, float* m, float* lanes) {
  const FloatTag d;
  const VectorOps ops;
  FloatVector max = hn::Set(d, *m);
  for (Index j = 0; j < n; j += kLanes) {
    const FloatVector s = hn::Mul(load_or(scores + j, n - j, 0.0F), hn::Set(d, scale));
    store_first(s, n - j, scores + j);
    max = ops.max(load_or(scores + j, n - j, *m), max);
  }
  const float new_max = largest(max);
  const float rescale = assay::portable_exp(*m - new_max);
  FloatVector sums[kSoftmaxVectors];
  for (Index v = 0; v < kSoftmaxVectors; ++v) {
    sums[v] = hn::Mul(hn::LoadU(d, lanes + v * kLanes), hn::Set(d, rescale));
  }
  for (Index j = 0; j < n; j += kLanes) {
    // Lanes beyond n hold exp(-infinity) = +0, which changes no sum of non-negative terms.
    const FloatVector s = load_or(scores + j, n - j, -std::numeric_limits<float>::infinity());
    const FloatVector p = portable_exp(ops, hn::Sub(s, hn::Set(d, new_max)));
    FloatVector& sum = sums[j / kLanes % kSoftmaxVectors];
    sum = hn::Add(sum, p);
    store_first(Round::round(p), n - j, scores + j);
  }
  for (Index v = 0; v < kSoftmaxVectors; ++v) hn::StoreU(sums[v], d, lanes + v * kLanes);
  *m = new_max;
  return rescale;
}

void scale_row(float* x, Index n, float a) {
  const FloatTag d;
  for (Index i = 0; i < n; i += kLanes) {
    store_first(hn::Mul(load_or(x + i, n - i, 0.0F), hn::Set(d, a)), n - i, x + i);
  }
}

template <class Round>
void normalize_row(const float* x, Index n, const float* lanes, float* out) {
  const FloatTag d;
  FloatVector sums[kSoftmaxVectors];
  for (Index v = 0; v < kSoftmaxVectors; ++v) sums[v] = hn::LoadU(d, lanes + v * kLanes);
  const FloatVector sum = hn::Set(d, tree_sum<kSoftmaxLanes>(sums));
  for (Index i = 0; i < n; i += kLanes) {
    store_first(Round::round(hn::Div(load_or(x + i, n - i, 0.0F), sum)), n - i, out + i);
  }
}

LogSumExp log_sum_exp_row(const float* x, Index n) {
  const FloatTag d;
  const VectorOps ops;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  FloatVector max = hn::Set(d, kLowest);
  for (Index i = 0; i < n; i += kLanes) max = ops.max(load_or(x + i, n - i, kLowest), max);
  const float top = largest(max);
  FloatVector lanes[kReductionVectors];
  for (FloatVector& lane : lanes) lane = hn::Zero(d);
  for (Index i = 0; i < n; i += kLanes) {
    const FloatVector shifted = hn::Sub(load_or(x + i, n - i, kLowest), hn::Set(d, top));
    FloatVector& lane = lanes[i / kLanes % kReductionVectors];
    lane = hn::Add(lane, portable_exp(ops, shifted));
  }
  return {top, assay::portable_log(tree_sum<kReductionLanes>(lanes))};
}
