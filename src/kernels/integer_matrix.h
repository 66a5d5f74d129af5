// Quantized weights as exllama multiplies them: the integers q - z, exact, with their scales beside them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/index.h"
#include "emulator/chain.h"

namespace assay {

// W [K, N] in panels of 16 columns, zeros beyond N.
struct IntegerMatrix {
  Index rows = 0;     // K
  Index columns = 0;  // N
  Index group_size = 0;
  std::vector<std::int8_t> integers;      // [panels, K, 16]: q - z, -16 to 15
  std::vector<float> scales;              // [panels, G, 16]: FP16 values
  std::vector<std::int32_t> input_order;  // row k multiplies x[input_order[k]]; empty: x[k]

  Index groups() const { return ceil_div(rows, group_size); }
  const std::int8_t* panel(Index p) const { return integers.data() + p * rows * kPanelColumns; }
  const float* panel_scales(Index p) const { return scales.data() + p * groups() * kPanelColumns; }
};

// From row-major [K, N] and [K / group_size, N].
IntegerMatrix pack_integers(std::span<const std::int8_t> values, std::span<const float> scales, Index rows,
                            Index columns, Index group_size);

// Matrices of equal K, group size and input order side by side; each N but the last a multiple of 16 (Fault).
IntegerMatrix concatenate(std::span<const IntegerMatrix> parts);

}  // namespace assay
