// Activation types on the device: 16-bit numbers as their bits, decoded exactly, rounded to nearest even.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "number/dtype.h"

namespace assay {

// One type for each of Dtype::fp16 and Dtype::bf16; with_activation(dtype, f) below chooses.
struct Fp16Activation {
  static constexpr Dtype kDtype = Dtype::fp16;
  using Pair = __half2;
  static __device__ __forceinline__ float decode(std::uint16_t bits) {
    return __half2float(__ushort_as_half(bits));
  }
  static __device__ __forceinline__ std::uint16_t encode(float x) {
    return __half_as_ushort(__float2half_rn(x));
  }
  // Low half: x.
  static __device__ __forceinline__ std::uint32_t encode_pair(float x, float y) {
    const __half2 pair = __floats2half2_rn(x, y);
    return *reinterpret_cast<const std::uint32_t*>(&pair);
  }
  static __device__ __forceinline__ float2 decode_pair(std::uint32_t bits) {
    return __half22float2(*reinterpret_cast<const __half2*>(&bits));
  }
  static __device__ __forceinline__ float round(float x) { return decode(encode(x)); }
};

struct Bf16Activation {
  static constexpr Dtype kDtype = Dtype::bf16;
  using Pair = __nv_bfloat162;
  static __device__ __forceinline__ float decode(std::uint16_t bits) {
    return __uint_as_float(static_cast<std::uint32_t>(bits) << 16);
  }
  static __device__ __forceinline__ std::uint16_t encode(float x) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(x));
  }
  static __device__ __forceinline__ std::uint32_t encode_pair(float x, float y) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(x, y);
    return *reinterpret_cast<const std::uint32_t*>(&pair);
  }
  static __device__ __forceinline__ float2 decode_pair(std::uint32_t bits) {
    return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000U));
  }
  static __device__ __forceinline__ float round(float x) { return decode(encode(x)); }
};

// Calls body(Fp16Activation{}) or body(Bf16Activation{}).
template <class Body>
decltype(auto) with_activation(Dtype dtype, const Body& body) {
  if (dtype == Dtype::bf16) return body(Bf16Activation{});
  return body(Fp16Activation{});
}

}  // namespace assay
