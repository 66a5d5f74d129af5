// Eight neighbouring 16-bit numbers, one access of 16 bytes.
#pragma once

#include <cstdint>

#include "kernels/cuda/number.cuh"

namespace assay {

struct Vector8 {
  float value[8];
};

template <class T>
__device__ __forceinline__ Vector8 decode8(uint4 bits) {
  const std::uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
  Vector8 v;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = T::decode_pair(words[i]);
    v.value[2 * i] = pair.x;
    v.value[2 * i + 1] = pair.y;
  }
  return v;
}

template <class T>
__device__ __forceinline__ uint4 encode8(const Vector8& v) {
  return make_uint4(T::encode_pair(v.value[0], v.value[1]), T::encode_pair(v.value[2], v.value[3]),
                    T::encode_pair(v.value[4], v.value[5]), T::encode_pair(v.value[6], v.value[7]));
}

}  // namespace assay
