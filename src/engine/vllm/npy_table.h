// A table of float32 in NumPy's .npy format, versions 1 to 3
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"

namespace assay {

struct NpyTable {
  Index rows = 0;
  Index columns = 0;
  std::vector<float> values;  // rows x columns, row after row
  std::span<const float> row(Index at) const {
    return std::span(values).subspan(static_cast<std::size_t>(at * columns),
                                     static_cast<std::size_t>(columns));
  }
};

// Error: another magic or version, a header that is cut or has another form than NumPy's writer gives it, other values
// than little-endian float32 ('<f4'), Fortran order, another number of dimensions than two, more or fewer values than
// the shape says.
Result<NpyTable> read_npy(std::string_view bytes);

}  // namespace assay
