// Tensor maps: how the bulk copy engine of Hopper finds a box of a 16-bit tensor in device memory.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "base/index.h"
#include "number/dtype.h"

namespace assay {

// Innermost dimension first; it is contiguous. Elements beyond an extent read as zeros.
struct Tensor3 {
  const std::uint16_t* data;
  Index extents[3];
  Index strides[2];  // of the two outer dimensions, in elements: multiples of 8
};

// Boxes of 64 x box_rows elements, rows of 128 bytes with the 128-byte swizzle; `row_dimension` (1 or 2) says along
// which dimension the rows lie.
CUtensorMap make_tensor_map(Dtype dtype, const Tensor3& tensor, int row_dimension, Index box_rows);

}  // namespace assay
