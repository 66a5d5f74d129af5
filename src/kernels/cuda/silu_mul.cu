// SiLU of the gates times the other half, eight outputs a thread. Bound by memory (6 bytes an output) as long as the
// exponential and the division of the definition are seldom done: see Gate.
#include "kernels/cuda/early_launch.cuh"
#include "kernels/cuda/exponential.cuh"
#include "kernels/cuda/row_ops.h"
#include "kernels/cuda/vector8.cuh"

namespace assay {
namespace {

constexpr unsigned kThreads = 256;

// By the definition. NaN: the gate itself.
template <class T>
__device__ __forceinline__ std::uint32_t exact_pair(float2 gate) {
  return T::encode_pair(gate.x / one_plus_exp(-gate.x), gate.y / one_plus_exp(-gate.y));
}

// 2^x and 1 / x by the special function unit: within 2^-22 of the value, relative, and 1 ulp (PTX ISA).
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float fast_inverse(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// SiLU rounded to 16 bits, of two gates. An estimate is within 2^-19 of the definition's quotient before it is rounded, for
// |gate| <= 8: the product with log2(e) adds 2^-21 to the exponential, all other steps less than 2^-20 together. Rounding
// is monotonic, so where both ends of that range round to the same number, that is the result. Where they do not
// (about one gate in 200 of FP16), the definition is computed.
template <class T>
__device__ __forceinline__ std::uint32_t silu_pair(std::uint32_t bits) {
  constexpr float kMinusLog2e = -0x1.715476p0F;
  const float2 gate = T::decode_pair(bits);
  const float x = gate.x * fast_inverse(1.0F + fast_exp2(gate.x * kMinusLog2e));
  const float y = gate.y * fast_inverse(1.0F + fast_exp2(gate.y * kMinusLog2e));
  constexpr float kLess = 1.0F - 0x1p-19F;
  constexpr float kMore = 1.0F + 0x1p-19F;
  const std::uint32_t low = T::encode_pair(x * kLess, y * kLess);
  const std::uint32_t high = T::encode_pair(x * kMore, y * kMore);
  const bool is_sure = low == high && fmaxf(fabsf(gate.x), fabsf(gate.y)) <= 8.0F;
  return is_sure ? low : exact_pair<T>(gate);
}

// Products of 16-bit numbers, rounded once (in FP32 they are exact but for BF16 products below 2^-126).
template <class T>
__device__ __forceinline__ std::uint32_t mul_pair(std::uint32_t x, std::uint32_t y) {
  const float2 a = T::decode_pair(x);
  const float2 b = T::decode_pair(y);
  return T::encode_pair(a.x * b.x, a.y * b.y);
}

template <class T>
__global__ void __launch_bounds__(kThreads) silu_mul_rows(const uint4* gate_up, Index vectors, uint4* out) {
  let_later_kernels_start();
  const Index row = blockIdx.x;
  const Index i = blockIdx.y * kThreads + threadIdx.x;
  wait_for_earlier_kernels();
  if (i >= vectors) return;
  const uint4 gate = gate_up[row * 2 * vectors + i];
  const uint4 up = gate_up[row * 2 * vectors + vectors + i];
  out[row * vectors + i] =
      make_uint4(mul_pair<T>(silu_pair<T>(gate.x), up.x), mul_pair<T>(silu_pair<T>(gate.y), up.y),
                 mul_pair<T>(silu_pair<T>(gate.z), up.z), mul_pair<T>(silu_pair<T>(gate.w), up.w));
}

}  // namespace

void silu_mul(Dtype dtype, const std::uint16_t* gate_up, Index rows, Index inner, std::uint16_t* out,
              cudaStream_t stream) {
  const Index vectors = inner / 8;
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>((vectors + kThreads - 1) / kThreads));
  with_activation(dtype, [&](auto t) {
    launch_early(silu_mul_rows<decltype(t)>, "silu_mul_rows", {grid, kThreads, 0, stream},
                 reinterpret_cast<const uint4*>(gate_up), vectors, reinterpret_cast<uint4*>(out));
  });
}

}  // namespace assay
