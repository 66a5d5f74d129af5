// The definitions of kernels/ops.h, one operation at a time.
#include "kernels/reference/ops.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "emulator/chain.h"
#include "number/float16.h"
#include "number/transcendental.h"

namespace assay {
namespace {

float decode(Dtype dtype, std::uint16_t bits) {
  return dtype == Dtype::fp16 ? from_fp16(bits) : from_bf16(bits);
}

template <Dtype kDtype>
float rounded(float x) {
  return kDtype == Dtype::fp16 ? round_to_fp16(x) : round_to_bf16(x);
}

template <std::size_t kLanes>
float tree_sum(std::array<float, kLanes> lanes) {
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

template <class Accumulator>
float chain_of_one(Dtype weights, const float* a, const std::uint16_t* column, Index k, float start) {
  auto sum = static_cast<Accumulator>(start);
  for (Index i = 0; i < k; ++i) {
    sum = std::fma(static_cast<Accumulator>(a[i]),
                   static_cast<Accumulator>(decode(weights, column[i * kPanelColumns])), sum);
  }
  return static_cast<float>(sum);
}

void chain(Family family, Dtype weights, const Chain& t) {
  if (family != Family::ieee && family != Family::exact) {
    emulate_chain(Isa::scalar, family, weights, t);
    return;
  }
  require(t.walk.count == 1, "ieee and exact add in k order");
  require(t.accumulator == Accumulator::fp32, "ieee and exact have no FP16 accumulators");
  for (Index row = 0; row < t.rows; ++row) {
    for (Index column = 0; column < t.columns; ++column) {
      const std::uint16_t* w = t.panels + column / kPanelColumns * t.panel_stride +
                               t.walk.first * kPanelColumns + column % kPanelColumns;
      float& c = t.c[row * t.c_stride + column];
      const float start = t.accumulate ? c : 0.0F;
      const float* a = t.a + row * t.a_stride + t.walk.first;
      c = family == Family::ieee ? chain_of_one<float>(weights, a, w, t.walk.run, start)
                                 : chain_of_one<double>(weights, a, w, t.walk.run, start);
    }
  }
}

template <Dtype kDtype>
void round(const float* x, Index n, float* out) {
  for (Index i = 0; i < n; ++i) out[i] = rounded<kDtype>(x[i]);
}

template <Dtype kDtype>
void add(const float* x, const float* y, Index n, float* out) {
  for (Index i = 0; i < n; ++i) out[i] = rounded<kDtype>(x[i] + y[i]);
}

void accumulate(const float* x, Index n, float* sum) {
  for (Index i = 0; i < n; ++i) sum[i] += x[i];
}

template <Dtype kDtype>
void multiply(const float* x, const float* y, Index n, float* out) {
  for (Index i = 0; i < n; ++i) out[i] = rounded<kDtype>(x[i] * y[i]);
}

template <Dtype kDtype>
void rms_norm(const float* x, const float* weight, Index n, float eps, float* out) {
  std::array<float, kReductionLanes> lanes = {};
  for (Index i = 0; i < n; ++i) {
    float& lane = lanes[static_cast<std::size_t>(i % kReductionLanes)];
    lane = std::fma(x[i], x[i], lane);
  }
  const float scale = 1.0F / std::sqrt(tree_sum(lanes) / static_cast<float>(n) + eps);
  for (Index i = 0; i < n; ++i) out[i] = rounded<kDtype>(rounded<kDtype>(x[i] * scale) * weight[i]);
}

template <Dtype kDtype>
void silu_mul(const float* gate, const float* up, Index n, float* out) {
  for (Index i = 0; i < n; ++i) {
    const float activated = rounded<kDtype>(gate[i] / (1.0F + portable_exp(-gate[i])));
    out[i] = rounded<kDtype>(activated * up[i]);
  }
}

template <Dtype kDtype>
void rope(float* x, const float* cosine, const float* sine, Index half) {
  for (Index i = 0; i < half; ++i) {
    const float lo = x[i];
    const float hi = x[i + half];
    x[i] = rounded<kDtype>(rounded<kDtype>(lo * cosine[i]) - rounded<kDtype>(hi * sine[i]));
    x[i + half] = rounded<kDtype>(rounded<kDtype>(hi * cosine[i]) + rounded<kDtype>(lo * sine[i]));
  }
}

template <Dtype kDtype>
float softmax_tile(float* scores, Index n, float scale, float* m, float* lanes) {
  float max = *m;
  for (Index j = 0; j < n; ++j) {
    scores[j] *= scale;
    max = scores[j] > max ? scores[j] : max;
  }
  const float rescale = portable_exp(*m - max);
  for (Index i = 0; i < kSoftmaxLanes; ++i) lanes[i] *= rescale;
  for (Index j = 0; j < n; ++j) {
    const float p = portable_exp(scores[j] - max);
    lanes[j % kSoftmaxLanes] += p;
    scores[j] = rounded<kDtype>(p);
  }
  *m = max;
  return rescale;
}

void scale(float* x, Index n, float a) {
  for (Index i = 0; i < n; ++i) x[i] *= a;
}

template <Dtype kDtype>
void normalize(const float* x, Index n, const float* lanes, float* out) {
  std::array<float, kSoftmaxLanes> copy = {};
  for (Index i = 0; i < kSoftmaxLanes; ++i) copy[static_cast<std::size_t>(i)] = lanes[i];
  const float sum = tree_sum(copy);
  for (Index i = 0; i < n; ++i) out[i] = rounded<kDtype>(x[i] / sum);
}

LogSumExp log_sum_exp(const float* x, Index n) {
  float max = -std::numeric_limits<float>::infinity();
  for (Index i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  std::array<float, kReductionLanes> lanes = {};
  for (Index i = 0; i < n; ++i)
    lanes[static_cast<std::size_t>(i % kReductionLanes)] += portable_exp(x[i] - max);
  return {max, portable_log(tree_sum(lanes))};
}

// RN16(a b + c), one rounding: a is an integer of at most 5 bits, b and c are FP16 numbers, so that the sum
// is a multiple of 2^-24 below 2^21 and exact in FP64.
float fma_to_half(float a, float b, float c) {
  return round_to_fp16(to_odd_float(double{a} * double{b} + double{c}));
}

void half_dots(const HalfDots& t) {
  for (Index row = 0; row < t.rows; ++row) {
    const float* x = t.x + row * t.x_stride;
    for (Index column = 0; column < kPanelColumns; ++column) {
      float sum = 0.0F;
      for (Index k = 0; k < t.count; k += 8) {
        std::array<float, 2> lanes = {};
        for (Index i = k; i < k + 8; ++i) {
          float& lane = lanes[static_cast<std::size_t>(i % 2)];
          lane = fma_to_half(static_cast<float>(t.integers[i * kPanelColumns + column]), x[i], lane);
        }
        const float scale = t.scales[(t.first + k) / t.group_size * kPanelColumns + column];
        sum = std::fma(lanes[0] + lanes[1], scale, sum);
      }
      t.out[row * t.out_stride + column] = round_to_fp16(sum);
    }
  }
}

template <Dtype kDtype>
constexpr Ops kOps = {Isa::scalar,
                      kDtype,
                      chain,
                      round<kDtype>,
                      add<kDtype>,
                      accumulate,
                      multiply<kDtype>,
                      rms_norm<kDtype>,
                      silu_mul<kDtype>,
                      rope<kDtype>,
                      softmax_tile<kDtype>,
                      scale,
                      normalize<kDtype>,
                      log_sum_exp,
                      half_dots};

}  // namespace

const Ops& reference_ops(Dtype dtype) { return dtype == Dtype::fp16 ? kOps<Dtype::fp16> : kOps<Dtype::bf16>; }

}  // namespace assay
