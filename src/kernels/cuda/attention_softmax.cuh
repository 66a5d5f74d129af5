// Ops::softmax_tile for 64 rows x 64 keys that lie in a warpgroup's accumulators (attention_mma.cuh).
//
// A thread's columns of a row are 8 j + 2 q + e, so that it owns four of the row's 16 softmax lanes, 2 q + e and
// 8 + 2 q + e, and meets the keys of each in order: lanes need no exchange before normalize.
#pragma once

#include "kernels/cuda/exp_of_nonpositive.h"
#include "kernels/cuda/exponential.cuh"
#include "number/dtype.h"

namespace assay {

// Of the thread's rows g and g + 8 (index h).
struct SoftmaxRows {
  float max[2];       // m
  float lanes[2][4];  // lane 8 (i / 2) + 2 q + i mod 2
};

// What the tile asks of the rows' sums.
struct Rescale {
  bool needed[2];  // of any such row of the warp
  float a[2];
};

inline constexpr unsigned kSoftmaxWarp = 0xffffffffU;

// The term of a key, exp(x) for x <= 0.
//
// FP16: terms below 2^-100 may be any such number, so that neither subnormals nor the end of the range need care. Rounded
// to FP16 they are 0. A lane stays what it is when they are added, or is below 2^-76 itself: the sum of one that large
// with less than half a unit in its last place is that lane. And L, which has the 1 of the row's largest score in one
// of its lanes, takes nothing from lanes as small as that.
template <class Activation>
static __device__ __forceinline__ float softmax_term(float x) {
  if constexpr (Activation::kDtype == Dtype::fp16) {
    return exp_in_range<0>(fmaxf(x, -86.0F));  // 2^-124; of NaN, too
  } else {
    return exp_of_nonpositive(x);
  }
}

// scores: q k on entry, p on return. A key that a row does not see has score -infinity. `scale` > 0, so that the
// largest score times scale is the largest scaled score.
template <class Activation>
static __device__ __forceinline__ Rescale softmax_tile(float (&scores)[32], float scale, SoftmaxRows& rows) {
  float max[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float largest = scores[2 * h];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      largest = fmaxf(largest, fmaxf(scores[4 * j + 2 * h], scores[4 * j + 2 * h + 1]));
    }
    largest = fmaxf(largest, __shfl_xor_sync(kSoftmaxWarp, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(kSoftmaxWarp, largest, 2));
    max[h] = fmaxf(rows.max[h], largest * scale);
  }
  Rescale rescale = {{false, false}, {1.0F, 1.0F}};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    rescale.needed[h] = __any_sync(kSoftmaxWarp, max[h] != rows.max[h]);
    if (!rescale.needed[h]) continue;
    rescale.a[h] = exp_of_nonpositive(rows.max[h] - max[h]);
    rows.max[h] = max[h];
#pragma unroll
    for (float& lane : rows.lanes[h]) lane *= rescale.a[h];
  }
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int h = i / 2 % 2;
    scores[i] = softmax_term<Activation>(scores[i] * scale - max[h]);
    rows.lanes[h][i / 4 % 2 * 2 + i % 2] += scores[i];
  }
  return rescale;
}

// L of a row: the tree over its 16 lanes, which lie in the four threads of a quad.
static __device__ __forceinline__ float lane_sum(const float (&lanes)[4]) {
  float even = lanes[0] + lanes[2];
  float odd = lanes[1] + lanes[3];
#pragma unroll
  for (int distance = 2; distance > 0; distance /= 2) {
    even += __shfl_xor_sync(kSoftmaxWarp, even, distance);
    odd += __shfl_xor_sync(kSoftmaxWarp, odd, distance);
  }
  return even + odd;
}

}  // namespace assay
