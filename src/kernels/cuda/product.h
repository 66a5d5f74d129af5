// What the matrix-product kernels of this folder share.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "number/dtype.h"

namespace assay {

// Device pointers of RN(X W): X [rows, inputs] and out [rows, outputs] row-major, W as [outputs, inputs]
// row-major (each output's weights are contiguous). Elements are bits of `dtype`. All pointers are 16-byte
// aligned; inputs is a multiple of 16, outputs of 8.
struct ProductOperands {
  const std::uint16_t* x = nullptr;
  const std::uint16_t* w = nullptr;
  std::uint16_t* out = nullptr;
  Index rows = 0;
  Index outputs = 0;
  Index inputs = 0;
  Dtype dtype = Dtype::fp16;
};

}  // namespace assay
