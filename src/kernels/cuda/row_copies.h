// Rows of 16-bit arrays from place to place: device pointers, n columns (a multiple of 8).
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/gpu.h"

namespace assay {

// out[i] = x[index[i]] for i < rows.
void gather_rows(const std::uint16_t* x, const std::int32_t* index, Index rows, Index n, std::uint16_t* out,
                 cudaStream_t stream);

// out[index[i]] = x[i].
void scatter_rows(const std::uint16_t* x, const std::int32_t* index, Index rows, Index n, std::uint16_t* out,
                  cudaStream_t stream);

}  // namespace assay
