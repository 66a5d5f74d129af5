#include <algorithm>

#include "kernels/cuda/equal_bits.h"

namespace assay {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    count_unequal_bits_kernel(BitsView a, BitsView b, Index columns, unsigned long long* count) {
  const std::uint16_t* a_row = a.data + blockIdx.y * a.stride;
  const std::uint16_t* b_row = b.data + blockIdx.y * b.stride;
  int unequal = 0;
  const Index threads = Index{gridDim.x} * kThreads;
  for (Index column = Index{blockIdx.x} * kThreads + threadIdx.x; column < columns; column += threads) {
    unequal += a_row[column] != b_row[column] ? 1 : 0;
  }
  unequal = __reduce_add_sync(0xffffffffU, unequal);
  if (threadIdx.x % 32 == 0 && unequal > 0) atomicAdd(count, static_cast<unsigned long long>(unequal));
}

}  // namespace

void count_unequal_bits(BitsView a, BitsView b, Index rows, Index columns, unsigned long long* count,
                        cudaStream_t stream) {
  if (rows == 0 || columns == 0) return;
  const auto blocks = static_cast<unsigned>(std::min<Index>(ceil_div(columns, kThreads), 32));
  count_unequal_bits_kernel<<<dim3(blocks, static_cast<unsigned>(rows)), kThreads, 0, stream>>>(a, b, columns,
                                                                                                count);
  check_launch("count_unequal_bits", stream);
}

}  // namespace assay
