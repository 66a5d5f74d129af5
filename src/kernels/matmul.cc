#include <algorithm>

#include "base/error.h"
#include "kernels/compute.h"

namespace assay {

void matmul(const Compute& compute, const float* a, Index rows, const PackedMatrix& w, float* out) {
  // A task's panels (128 columns) stay in the second-level cache while its rows stream past.
  constexpr Index kRows = 96;
  constexpr Index kColumns = 8 * kPanelColumns;
  const Index row_blocks = ceil_div(rows, kRows);
  const Index column_blocks = ceil_div(w.columns, kColumns);
  compute.pool.parallel_for(row_blocks * column_blocks, [&](Index task) {
    const Index row = task % row_blocks * kRows;
    const Index column = task / row_blocks * kColumns;
    const Index height = std::min(kRows, rows - row);
    const Index width = std::min(kColumns, w.columns - column);
    float* c = out + row * w.columns + column;
    compute.ops.chain(compute.device, w.dtype,
                      {.a = a + row * w.rows,
                       .a_stride = w.rows,
                       .rows = height,
                       .panels = w.panel(column / kPanelColumns),
                       .panel_stride = w.panel_stride(),
                       .columns = width,
                       .k = w.rows,
                       .c = c,
                       .c_stride = w.columns,
                       .accumulate = false});
    for (Index r = 0; r < height; ++r) compute.ops.round(c + r * w.columns, width, c + r * w.columns);
  });
}

}  // namespace assay
