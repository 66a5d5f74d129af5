// What chain_pair.cu does with the sums of a unit of 64 rows and 128 columns: each of the 128 threads of a warpgroup has
// 64 of them, as multiply_64x128x16 (hopper_async.cuh) leaves them.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/number.cuh"

namespace assay {

// `place`: of the thread, 16 vectors that lie 128 apart.
static __device__ __forceinline__ void park(const float (&sum)[64], float4* place) {
#pragma unroll
  for (int i = 0; i < 16; ++i)
    __stcg(place + i * 128, make_float4(sum[4 * i], sum[4 * i + 1], sum[4 * i + 2], sum[4 * i + 3]));
}

static __device__ __forceinline__ void add_parked(float (&sum)[64], const float4* place) {
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const float4 parked = __ldcg(place + i * 128);
    sum[4 * i] = parked.x + sum[4 * i];
    sum[4 * i + 1] = parked.y + sum[4 * i + 1];
    sum[4 * i + 2] = parked.z + sum[4 * i + 2];
    sum[4 * i + 3] = parked.w + sum[4 * i + 3];
  }
}

// Thread q of four has four values; afterwards value p is what was value q of thread p.
static __device__ __forceinline__ void transpose_four(std::uint32_t (&values)[4]) {
  const bool odd = threadIdx.x % 2 == 1;
  const bool upper = threadIdx.x % 4 >= 2;
  const auto exchange = [](std::uint32_t& low, std::uint32_t& high, bool gives_low, int with) {
    const std::uint32_t got = __shfl_xor_sync(0xffffffffU, gives_low ? low : high, with);
    (gives_low ? low : high) = got;
  };
  exchange(values[0], values[1], odd, 1);
  exchange(values[2], values[3], odd, 1);
  exchange(values[0], values[2], upper, 2);
  exchange(values[1], values[3], upper, 2);
}

// `out`: at the unit's first row and column.
template <class T>
static __device__ __forceinline__ void store(const float (&sum)[64], std::uint16_t* out, Index outputs,
                                             int rows) {
  const int thread = threadIdx.x % 128;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = thread / 32 * 16 + thread % 32 / 4 + 8 * half;
#pragma unroll
    for (int group = 0; group < 4; ++group) {
      std::uint32_t pairs[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = 4 * (4 * group + i) + 2 * half;
        pairs[i] = T::encode_pair(sum[at], sum[at + 1]);
      }
      transpose_four(pairs);
      if (row < rows) {
        __stcs(reinterpret_cast<uint4*>(out + row * outputs + 32 * group + 8 * (thread % 4)),
               make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]));
      }
    }
  }
}

}  // namespace assay
