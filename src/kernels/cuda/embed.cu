// Rows of the embedding table, a block a token.
#include <algorithm>

#include "kernels/cuda/row_ops.h"

namespace assay {
namespace {

__global__ void embed_rows(const std::int32_t* __restrict__ tokens, const uint4* __restrict__ table,
                           Index vectors, uint4* __restrict__ out) {
  const uint4* row = table + tokens[blockIdx.x] * vectors;
  for (Index i = threadIdx.x; i < vectors; i += blockDim.x) out[blockIdx.x * vectors + i] = row[i];
}

}  // namespace

void embed(Dtype, const std::int32_t* tokens, Index rows, Index hidden, const std::uint16_t* table,
           std::uint16_t* out, cudaStream_t stream) {
  const Index vectors = hidden / 8;
  const auto threads = static_cast<unsigned>(std::min<Index>(512, vectors));
  embed_rows<<<static_cast<unsigned>(rows), threads, 0, stream>>>(
      tokens, reinterpret_cast<const uint4*>(table), vectors, reinterpret_cast<uint4*>(out));
  check_launch("embed_rows", stream);
}

}  // namespace assay
