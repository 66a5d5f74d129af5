// SiLU of the gates times the other half, eight outputs a thread. Bound by memory: 6 bytes an output.
#include "kernels/cuda/exponential.cuh"
#include "kernels/cuda/row_ops.h"
#include "kernels/cuda/vector8.cuh"

namespace assay {
namespace {

constexpr unsigned kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads)
    silu_mul_rows(const uint4* __restrict__ gate_up, Index vectors, uint4* __restrict__ out) {
  const Index row = blockIdx.x;
  const Index i = blockIdx.y * kThreads + threadIdx.x;
  if (i >= vectors) return;
  const uint4 gate_bits = gate_up[row * 2 * vectors + i];
  const uint4 up_bits = gate_up[row * 2 * vectors + vectors + i];
  const Vector8 gate = decode8<T>(gate_bits);
  const Vector8 up = decode8<T>(up_bits);
  Vector8 result;
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    const float g = gate.value[e];
    result.value[e] = T::round(g / one_plus_exp(-g)) * up.value[e];  // NaN: g itself
  }
  out[row * vectors + i] = encode8<T>(result);
}

}  // namespace

void silu_mul(Dtype dtype, const std::uint16_t* gate_up, Index rows, Index inner, std::uint16_t* out,
              cudaStream_t stream) {
  const Index vectors = inner / 8;
  const dim3 grid(static_cast<unsigned>(rows), static_cast<unsigned>((vectors + kThreads - 1) / kThreads));
  with_activation(dtype, [&](auto t) {
    silu_mul_rows<decltype(t)><<<grid, kThreads, 0, stream>>>(reinterpret_cast<const uint4*>(gate_up),
                                                              vectors, reinterpret_cast<uint4*>(out));
  });
  check_launch("silu_mul_rows", stream);
}

}  // namespace assay
