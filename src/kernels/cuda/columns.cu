// A number a column, multiplied or added in place; columns in another order. Eight columns a thread.
#include "kernels/cuda/row_ops.h"
#include "kernels/cuda/vector8.cuh"

namespace assay {
namespace {

constexpr unsigned kThreads = 256;
constexpr int kGatherThreads = 512;

struct Multiply {
  static __device__ __forceinline__ float apply(float x, float y) { return x * y; }
};
struct Add {
  static __device__ __forceinline__ float apply(float x, float y) { return x + y; }
};

template <class T, class Operation>
__global__ void __launch_bounds__(kThreads)
    combine_columns(const uint4* __restrict__ column, Index vectors, uint4* __restrict__ x) {
  const Index i = blockIdx.y * kThreads + threadIdx.x;
  if (i >= vectors) return;
  uint4* place = x + blockIdx.x * vectors + i;
  Vector8 v = decode8<T>(*place);
  const Vector8 other = decode8<T>(column[i]);
#pragma unroll
  for (int e = 0; e < 8; ++e) v.value[e] = Operation::apply(v.value[e], other.value[e]);
  *place = encode8<T>(v);
}

// A block a row, which lies in shared memory.
__global__ void __launch_bounds__(kGatherThreads)
    gather_row_columns(const uint4* __restrict__ x, const int4* __restrict__ order, int vectors,
                       uint4* __restrict__ out) {
  extern __shared__ uint4 shared_row[];
  const auto* row = reinterpret_cast<const std::uint16_t*>(shared_row);
  const Index first = blockIdx.x * static_cast<Index>(vectors);
  for (int i = static_cast<int>(threadIdx.x); i < vectors; i += kGatherThreads) shared_row[i] = x[first + i];
  __syncthreads();
  const auto pair = [row](int a, int b) { return row[a] | static_cast<unsigned>(row[b]) << 16; };
#pragma unroll 2
  for (int i = static_cast<int>(threadIdx.x); i < vectors; i += kGatherThreads) {
    const int4 low = order[2 * i];
    const int4 high = order[2 * i + 1];
    out[first + i] =
        make_uint4(pair(low.x, low.y), pair(low.z, low.w), pair(high.x, high.y), pair(high.z, high.w));
  }
}

dim3 grid_of(Index rows, Index vectors) {
  return dim3(static_cast<unsigned>(rows), static_cast<unsigned>((vectors + kThreads - 1) / kThreads));
}

template <class Operation>
void combine(Dtype dtype, const std::uint16_t* column, Index rows, Index n, std::uint16_t* x,
             cudaStream_t stream) {
  with_activation(dtype, [&](auto t) {
    combine_columns<decltype(t), Operation><<<grid_of(rows, n / 8), kThreads, 0, stream>>>(
        reinterpret_cast<const uint4*>(column), n / 8, reinterpret_cast<uint4*>(x));
  });
  check_launch("combine_columns", stream);
}

}  // namespace

void scale_columns(Dtype dtype, const std::uint16_t* s, Index rows, Index n, std::uint16_t* x,
                   cudaStream_t stream) {
  combine<Multiply>(dtype, s, rows, n, x, stream);
}

void add_columns(Dtype dtype, const std::uint16_t* b, Index rows, Index n, std::uint16_t* x,
                 cudaStream_t stream) {
  combine<Add>(dtype, b, rows, n, x, stream);
}

void gather_columns(const std::uint16_t* x, const std::int32_t* order, Index rows, Index n,
                    std::uint16_t* out, cudaStream_t stream) {
  const auto bytes = static_cast<std::size_t>(2 * n);
  check_cuda(cudaFuncSetAttribute(gather_row_columns, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(bytes)),
             "cudaFuncSetAttribute");
  gather_row_columns<<<static_cast<unsigned>(rows), kGatherThreads, bytes, stream>>>(
      reinterpret_cast<const uint4*>(x), reinterpret_cast<const int4*>(order), static_cast<int>(n / 8),
      reinterpret_cast<uint4*>(out));
  check_launch("gather_row_columns", stream);
}

}  // namespace assay
