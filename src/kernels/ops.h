// What each op means. Every row of this table has one definition, the comment beside it, and as many
// implementations as there are instruction sets; all of them give the same bits (kernels_test.cc). RN is
// rounding to nearest even to the activation type `dtype`; all other arithmetic is FP32, one IEEE operation
// at a time, in the order written.
//
// Activations are FP32 arrays whose values are representable in `dtype`.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "emulator/chain.h"
#include "emulator/device.h"
#include "emulator/isa.h"
#include "number/dtype.h"

namespace assay {

// Row reductions: element i belongs to virtual lane i mod 32, lanes accumulate in index order, then lane i of
// 16 adds lane i + 16, and the 16 are added as a tree: i += i + 8, then + 4, + 2, + 1.
inline constexpr Index kReductionLanes = 32;

// Softmax over keys uses 16 lanes (key mod 16), kept from tile to tile.
inline constexpr Index kSoftmaxLanes = 16;

struct LogSumExp {
  float max;
  float log_sum;  // log(sum_i exp(x_i - max))
};

// One k block of kernels/exllama.h for a panel of 16 columns.
struct HalfDots {
  const float* x;  // [rows, count], FP16 values, rows x_stride apart
  Index x_stride;
  Index rows;
  const std::int8_t* integers;  // [count, 16]
  const float* scales;          // [groups, 16] of all of K, FP16 values
  Index first;                  // the block's first k; k has the scales of group k / group_size
  Index count;                  // a multiple of 8, at most 128
  Index group_size;             // a multiple of 8
  float* out;                   // [rows, 16], rows out_stride apart
  Index out_stride;
};

struct Ops {
  Isa isa;
  Dtype dtype;  // of activations: FP16 or BF16

  // Each output is one chain, as the device's family defines: c = fma(a_k, w_k, c) in FP32 (`ieee`); the same
  // in FP64 from the FP32 c, rounded to FP32 once at the end (`exact`); a GPU's steps (emulator/chain.h). No
  // rounding to `weights`' type at the end. `ieee` and `exact` take walks of one run only.
  void (*chain)(Family family, Dtype weights, const Chain& chain);

  // out_i = RN(x_i)
  void (*round)(const float* x, Index n, float* out);

  // out_i = RN(x_i + y_i); out may be x or y.
  void (*add)(const float* x, const float* y, Index n, float* out);

  // sum_i = sum_i + x_i, not rounded: accumulators of a split product.
  void (*accumulate)(const float* x, Index n, float* sum);

  // out_i = RN(x_i y_i); out may be x or y.
  void (*multiply)(const float* x, const float* y, Index n, float* out);

  // s = 1 / sqrt((sum_i x_i^2) / n + eps), the sum by fma in reduction lanes; out_i = RN(RN(x_i s) weight_i).
  void (*rms_norm)(const float* x, const float* weight, Index n, float eps, float* out);

  // out_i = RN(RN(gate_i / (1 + exp(-gate_i))) up_i)
  void (*silu_mul)(const float* gate, const float* up, Index n, float* out);

  // Rotates pairs (i, i + half) in place: lo = RN(RN(x c) - RN(y s)), hi = RN(RN(y c) + RN(x s)).
  void (*rope)(float* x, const float* cosine, const float* sine, Index half);

  // One row, one tile of n keys of the online softmax. s_j = scores_j scale; m' = max(m, max_j s_j); a =
  // exp(m - m'); p_j = exp(s_j - m'); lane_i = lane_i a, then + p_j for the keys j = i mod 16 in order;
  // scores_j = RN(p_j). Updates m and lanes; returns a.
  float (*softmax_tile)(float* scores, Index n, float scale, float* m, float* lanes);

  // x_i = x_i a
  void (*scale)(float* x, Index n, float a);

  // out_i = RN(x_i / L), L the tree sum of the 16 softmax lanes.
  void (*normalize)(const float* x, Index n, const float* lanes, float* out);

  // m = max_i x_i, then log of the sum of exp(x_i - m) in reduction lanes. log-softmax of x_i is (x_i - m) -
  // log_sum.
  LogSumExp (*log_sum_exp)(const float* x, Index n);

  // The block's results as kernels/exllama.h says, in FP16 whatever `dtype`. A NaN is some NaN.
  void (*half_dots)(const HalfDots& block);
};

// The implementation for one of available_isas() and FP16 or BF16 activations; Fault for others.
const Ops& ops_for(Isa isa, Dtype dtype);

}  // namespace assay
