// A 16-bit matrix in the order in which the chain kernels read it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/index.h"
#include "emulator/chain.h"
#include "number/dtype.h"

namespace assay {

// W [K, N] as ceil(N/16) panels; panel p holds columns 16p .. 16p+15 as [K][16], zeros beyond N.
// Elements are FP16 or BF16 bits, as `dtype` says.
struct PackedMatrix {
  Index rows = 0;     // K
  Index columns = 0;  // N
  Dtype dtype = Dtype::fp16;
  std::vector<std::uint16_t> panels;

  Index panel_stride() const { return rows * kPanelColumns; }
  const std::uint16_t* panel(Index p) const { return panels.data() + p * panel_stride(); }
};

// From row-major [K, N] (inputs by outputs), the order of AWQ and GPTQ files.
PackedMatrix pack_rows(std::span<const std::uint16_t> values, Index rows, Index columns, Dtype dtype);

// From row-major [N, K] (outputs by inputs), the order of dense linear layers.
PackedMatrix pack_transposed(std::span<const std::uint16_t> values, Index rows, Index columns, Dtype dtype);

// Matrices of equal K side by side, as vLLM fuses q, k, v and gate, up. Each N but the last is a multiple of
// 16 (Fault).
PackedMatrix concatenate(std::span<const PackedMatrix> parts);

}  // namespace assay
