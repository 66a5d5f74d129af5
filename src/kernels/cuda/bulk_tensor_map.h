// Tensor maps: what Hopper's copy engine (TMA) is told of a matrix in device memory.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "base/index.h"

namespace assay {

// Row-major [rows, columns] of 16-bit numbers, columns a multiple of 8, copied in boxes of box_rows x 64 with the 128-byte
// swizzle; beyond the matrix a box is zero.
CUtensorMap bulk_tensor_map(const std::uint16_t* matrix, Index rows, Index columns, int box_rows);

}  // namespace assay
