// Four-bit weights in device memory, in the order in which few_rows.h reads them, and what they stand for.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/gpu.h"
#include "number/dtype.h"

namespace assay {

// W [K, N], w = RN((q - z) s): kernels may read it; owned by Int4Matrix.
struct Int4View {
  const std::uint32_t* nibbles = nullptr;  // layout: int4_layout.cuh
  const std::uint32_t* groups = nullptr;   // scale and zero of a group and column: layout there
  Index inputs = 0;                        // K
  Index outputs = 0;                       // N
  Index group_size = 0;
  Dtype dtype = Dtype::fp16;
};

// A part of the columns, as the files have it, in device memory.
struct PackedColumns {
  Index column = 0;                         // first column of W that it fills; a multiple of 32
  Index columns = 0;                        // a multiple of 32
  const std::uint32_t* qweight = nullptr;   // awq: [K, columns / 8]; gptq: [K / 8, columns]
  const std::uint16_t* scales = nullptr;    // [K / group_size, columns], bits of dtype
  const std::uint8_t* zeros = nullptr;      // [K / group_size, columns], 0 to 16
  const std::int32_t* row_order = nullptr;  // row k of W is the file's row row_order[k]; null: k
};

class Int4Matrix {
 public:
  Int4Matrix() = default;
  // K, N and group_size multiples of 32; group_size divides K.
  Int4Matrix(Index inputs, Index outputs, Index group_size, Dtype dtype);

  void fill_awq(const PackedColumns& part, cudaStream_t stream);
  void fill_gptq(const PackedColumns& part, cudaStream_t stream);

  Int4View view() const { return view_; }
  std::size_t bytes() const { return nibbles_.size() * 4 + groups_.size() * 4; }

 private:
  DeviceBuffer<std::uint32_t> nibbles_;
  DeviceBuffer<std::uint32_t> groups_;
  Int4View view_;
};

// out [N, K] row-major: bits of RN((q - z) s) in w's dtype, as checkpoint/quantized_matrix.h dequantizes.
void dequantize(const Int4View& w, std::uint16_t* out, cudaStream_t stream);

}  // namespace assay
