#include "kernels/integer_matrix.h"

#include <algorithm>
#include <cstddef>

#include "base/error.h"

namespace assay {
namespace {

// Row-major [rows, columns] into panels of 16 columns.
template <class T>
std::vector<T> in_panels(std::span<const T> values, Index rows, Index columns) {
  std::vector<T> out;
  out.reserve(static_cast<std::size_t>(ceil_div(columns, kPanelColumns) * rows * kPanelColumns));
  for (Index first = 0; first < columns; first += kPanelColumns) {
    const Index width = std::min(kPanelColumns, columns - first);
    for (Index row = 0; row < rows; ++row) {
      const auto from = values.begin() + row * columns + first;
      out.insert(out.end(), from, from + width);
      out.insert(out.end(), static_cast<std::size_t>(kPanelColumns - width), T{});
    }
  }
  return out;
}

}  // namespace

IntegerMatrix pack_integers(std::span<const std::int8_t> values, std::span<const float> scales, Index rows,
                            Index columns, Index group_size) {
  IntegerMatrix packed{rows, columns, group_size, {}, {}, {}};
  require(static_cast<Index>(values.size()) == rows * columns, "the matrix has rows x columns values");
  require(static_cast<Index>(scales.size()) == packed.groups() * columns,
          "each group and column has a scale");
  packed.integers = in_panels(values, rows, columns);
  packed.scales = in_panels(scales, packed.groups(), columns);
  return packed;
}

IntegerMatrix concatenate(std::span<const IntegerMatrix> parts) {
  require(!parts.empty(), "nothing to concatenate");
  IntegerMatrix whole{parts[0].rows, 0, parts[0].group_size, {}, {}, parts[0].input_order};
  for (const IntegerMatrix& part : parts) {
    require(part.rows == whole.rows && part.group_size == whole.group_size &&
                part.input_order == whole.input_order,
            "parts have equal rows, groups and order");
    require(whole.columns % kPanelColumns == 0, "only the last part may end inside a panel");
    whole.columns += part.columns;
    whole.integers.insert(whole.integers.end(), part.integers.begin(), part.integers.end());
    whole.scales.insert(whole.scales.end(), part.scales.begin(), part.scales.end());
  }
  return whole;
}

}  // namespace assay
