#include "kernels/schedule.h"

#include <algorithm>

namespace assay {

Schedule rows_of(const Schedule& schedule, RowRange rows) {
  Schedule cut{schedule.orders, {}};
  for (Region region : schedule.regions) {
    const Index first = std::max(region.row - rows.first, Index{0});
    const Index end = std::min(region.row + region.rows - rows.first, rows.count);
    if (first >= end) continue;
    region.row = first;
    region.rows = end - first;
    cut.regions.push_back(region);
  }
  return cut;
}

}  // namespace assay
