// Whether two matrices of 16-bit numbers are the same, compared on the device.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/gpu.h"

namespace assay {

// [rows, columns], rows `stride` numbers apart.
struct BitsView {
  const std::uint16_t* data = nullptr;
  Index stride = 0;
};

// *count += how many of their numbers have different bits. Launches only.
void count_unequal_bits(BitsView a, BitsView b, Index rows, Index columns, unsigned long long* count,
                        cudaStream_t stream);

}  // namespace assay
