#include "kernels/packed_matrix.h"

#include <cstddef>

#include "base/error.h"

namespace assay {
namespace {

template <class At>
PackedMatrix pack(Index rows, Index columns, Dtype dtype, At at) {
  require(dtype == Dtype::fp16 || dtype == Dtype::bf16, "packed matrices hold 16-bit floats");
  const Index panels = ceil_div(columns, kPanelColumns);
  PackedMatrix packed{rows, columns, dtype, {}};
  packed.panels.resize(static_cast<std::size_t>(panels * rows * kPanelColumns));
  std::uint16_t* out = packed.panels.data();
  for (Index p = 0; p < panels; ++p) {
    for (Index k = 0; k < rows; ++k) {
      for (Index column = p * kPanelColumns; column < (p + 1) * kPanelColumns; ++column) {
        *out++ = column < columns ? at(k, column) : std::uint16_t{0};
      }
    }
  }
  return packed;
}

}  // namespace

PackedMatrix pack_rows(std::span<const std::uint16_t> values, Index rows, Index columns, Dtype dtype) {
  require(static_cast<Index>(values.size()) == rows * columns, "the matrix has rows x columns values");
  return pack(rows, columns, dtype,
              [&](Index k, Index n) { return values[static_cast<std::size_t>(k * columns + n)]; });
}

PackedMatrix pack_transposed(std::span<const std::uint16_t> values, Index rows, Index columns, Dtype dtype) {
  require(static_cast<Index>(values.size()) == rows * columns, "the matrix has rows x columns values");
  return pack(rows, columns, dtype,
              [&](Index k, Index n) { return values[static_cast<std::size_t>(n * rows + k)]; });
}

PackedMatrix concatenate(std::span<const PackedMatrix> parts) {
  require(!parts.empty(), "nothing to concatenate");
  PackedMatrix whole{parts[0].rows, 0, parts[0].dtype, {}};
  for (const PackedMatrix& part : parts) {
    require(part.rows == whole.rows && part.dtype == whole.dtype, "parts have equal rows and dtype");
    require(whole.columns % kPanelColumns == 0, "only the last part may end inside a panel");
    whole.columns += part.columns;
    whole.panels.insert(whole.panels.end(), part.panels.begin(), part.panels.end());
  }
  return whole;
}

}  // namespace assay
