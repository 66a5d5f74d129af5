#include "kernels/recipes/schedule_builder.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/error.h"

namespace assay {
namespace {

// Sorts by `key` and joins each region to its predecessor where `join` (which extends the predecessor) says
// so.
template <class Key, class Join>
void merge(std::vector<Region>& regions, Key key, Join join) {
  std::sort(regions.begin(), regions.end(),
            [&](const Region& a, const Region& b) { return key(a) < key(b); });
  std::vector<Region> merged;
  for (const Region& region : regions) {
    if (merged.empty() || !join(merged.back(), region)) merged.push_back(region);
  }
  regions = std::move(merged);
}

bool join_right(Region& left, const Region& right) {
  const bool adjacent = left.row == right.row && left.rows == right.rows &&
                        left.column + left.columns == right.column && left.order == right.order;
  if (adjacent) left.columns += right.columns;
  return adjacent;
}

bool join_below(Region& above, const Region& below) {
  const bool adjacent = above.column == below.column && above.columns == below.columns &&
                        above.row + above.rows == below.row && above.order == below.order;
  if (adjacent) above.rows += below.rows;
  return adjacent;
}

}  // namespace

SumOrder ascending_sum(const std::vector<Index>& lengths) {
  SumOrder order;
  Index first = 0;
  for (const Index length : lengths) {
    const auto walk = static_cast<Index>(order.walks.size());
    if (walk > 0) order.adds.push_back({.into = 0, .from = walk});
    order.walks.push_back(contiguous_walk(first, length));
    first += length;
  }
  return order;
}

Index ScheduleBuilder::order(const SumOrder& order) {
  auto& orders = schedule_.orders;
  const auto found = std::find(orders.begin(), orders.end(), order);
  const auto index = static_cast<Index>(found - orders.begin());
  if (found == orders.end()) orders.push_back(order);
  return index;
}

void ScheduleBuilder::add(const Region& region) {
  require(region.order >= 0 && region.order < static_cast<Index>(schedule_.orders.size()),
          "a region of an unknown order");
  if (region.rows > 0 && region.columns > 0) schedule_.regions.push_back(region);
}

Schedule ScheduleBuilder::take() {
  auto& regions = schedule_.regions;
  merge(
      regions, [](const Region& r) { return std::tuple(r.row, r.column); }, join_right);
  merge(
      regions, [](const Region& r) { return std::tuple(r.column, r.columns, r.row); }, join_below);
  std::sort(regions.begin(), regions.end(), [](const Region& a, const Region& b) {
    return std::pair(a.row, a.column) < std::pair(b.row, b.column);
  });
  return std::exchange(schedule_, {});
}

}  // namespace assay
