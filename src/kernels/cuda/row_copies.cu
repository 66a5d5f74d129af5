#include "kernels/cuda/row_copies.h"

namespace assay {
namespace {

// One block a row, eight elements at a time.
__global__ void gather_kernel(const uint4* x, const std::int32_t* index, int pieces, uint4* out) {
  const uint4* from = x + static_cast<std::int64_t>(index[blockIdx.x]) * pieces;
  for (int i = threadIdx.x; i < pieces; i += blockDim.x)
    out[static_cast<std::int64_t>(blockIdx.x) * pieces + i] = from[i];
}

__global__ void scatter_kernel(const uint4* x, const std::int32_t* index, int pieces, uint4* out) {
  uint4* to = out + static_cast<std::int64_t>(index[blockIdx.x]) * pieces;
  for (int i = threadIdx.x; i < pieces; i += blockDim.x)
    to[i] = x[static_cast<std::int64_t>(blockIdx.x) * pieces + i];
}

constexpr int kThreads = 128;

}  // namespace

void gather_rows(const std::uint16_t* x, const std::int32_t* index, Index rows, Index n, std::uint16_t* out,
                 cudaStream_t stream) {
  gather_kernel<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(
      reinterpret_cast<const uint4*>(x), index, static_cast<int>(n / 8), reinterpret_cast<uint4*>(out));
  check_launch("gather_rows", stream);
}

void scatter_rows(const std::uint16_t* x, const std::int32_t* index, Index rows, Index n, std::uint16_t* out,
                  cudaStream_t stream) {
  scatter_kernel<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(
      reinterpret_cast<const uint4*>(x), index, static_cast<int>(n / 8), reinterpret_cast<uint4*>(out));
  check_launch("scatter_rows", stream);
}

}  // namespace assay
