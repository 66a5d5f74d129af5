#include "kernels/cuda/chain_pair_work.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "kernels/cuda/chain_pair.h"

namespace assay {
namespace {

// Rows of items whose X stays in the second-level cache while W passes. Measured on an H100 over the linears of Qwen3-8B,
// 8167 rows, generation a: 4: 662 TFLOP/s, 8: 682, 11: 687, 16: 678, 22: 676; generation b: 8: 679, 11: 663.
constexpr int kRasterItems = 8;

SumOrder sum_order_of(const PairOrder& pair) {
  SumOrder order;
  Index begin = 0;
  for (const Index end : pair.ends) {
    const auto walk = static_cast<Index>(order.walks.size());
    for (Index i = 0; i < 2; ++i) {
      order.walks.push_back({.first = begin + i * pair.run,
                             .run = pair.run,
                             .stride = 2 * pair.run,
                             .count = (end - begin) / (2 * pair.run)});
    }
    order.adds.push_back({.into = walk, .from = walk + 1});
    begin = end;
  }
  for (auto slice = static_cast<Index>(pair.ends.size()) - 2; slice >= 0; --slice) {
    order.adds.push_back({.into = 2 * slice, .from = 2 * slice + 2});
  }
  return order;
}

Index inputs_of(const SumOrder& order) {
  Index inputs = 0;
  for (const Walk& walk : order.walks) inputs += walk.run * walk.count;
  return inputs;
}

// The units of each block of columns, from the top.
std::map<Index, std::vector<PairUnit>> units_of(const Schedule& taken, const std::vector<PairUnit>& orders) {
  std::map<Index, std::vector<PairUnit>> units;
  for (const Region& region : taken.regions) {
    for (Index column = region.column; column < region.column + region.columns; column += kPairItemColumns) {
      for (Index row = 0; row < region.rows; row += kPairUnitRows) {
        PairUnit unit = orders[static_cast<std::size_t>(region.order)];
        unit.row = static_cast<int>(region.row + row);
        unit.rows = static_cast<int>(std::min(Index{kPairUnitRows}, region.rows - row));
        units[column].push_back(unit);
      }
    }
  }
  for (auto& [column, list] : units) {
    std::sort(list.begin(), list.end(), [](const PairUnit& a, const PairUnit& b) { return a.row < b.row; });
  }
  return units;
}

std::vector<PairItem> items_of(const std::map<Index, std::vector<PairUnit>>& units) {
  struct Placed {
    std::tuple<int, Index, int> place;
    PairItem item;
  };
  std::vector<Placed> placed;
  for (const auto& [column, list] : units) {
    for (std::size_t first = 0; first < list.size(); first += kPairUnits) {
      const int index = static_cast<int>(first) / kPairUnits;
      Placed& added = placed.emplace_back(Placed{{index / kRasterItems, column, index}, {}});
      added.item.column = static_cast<int>(column);
      for (std::size_t i = 0; i < kPairUnits; ++i) {
        const bool exists = first + i < list.size();
        added.item.units[i] = list[exists ? first + i : first];
        if (!exists) added.item.units[i].rows = 0;
      }
    }
  }
  std::sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) { return a.place < b.place; });
  std::vector<PairItem> items;
  for (const Placed& one : placed) items.push_back(one.item);
  return items;
}

// Each cluster has as many places as its item of most slices needs.
int assign_places(std::vector<PairItem>& items, int clusters) {
  std::vector<int> places(static_cast<std::size_t>(clusters), 0);
  for (std::size_t i = 0; i < items.size(); ++i) {
    int& needed = places[i % places.size()];
    for (const PairUnit& unit : items[i].units) needed = std::max(needed, unit.slices - 1);
  }
  int all = 0;
  for (int& first : places) all += std::exchange(first, all);
  for (std::size_t i = 0; i < items.size(); ++i) items[i].parked = places[i % places.size()];
  return all;
}

}  // namespace

std::optional<PairOrder> pair_order_of(const SumOrder& order, Index inputs) {
  if (order.walks.empty() || inputs % kPairTileK != 0) return std::nullopt;
  PairOrder pair = {.run = order.walks[0].run, .ends = {}};
  if (pair.run != 16 && pair.run != 32) return std::nullopt;
  Index end = 0;
  for (std::size_t i = 0; i < order.walks.size(); i += 2) {
    const Index length = 2 * pair.run * order.walks[i].count;
    if (length <= 0 || length % kPairTileK != 0) return std::nullopt;
    pair.ends.push_back(end += length);
  }
  if (end != inputs || order != sum_order_of(pair)) return std::nullopt;
  return pair;
}

ChainPairSplit split_for_chain_pair(const Schedule& cut, Index outputs, Index inputs) {
  ChainPairSplit split = {{cut.orders, {}}, {cut.orders, {}}};
  Index run = 0;  // one run a plan
  for (const Region& region : cut.regions) {
    const auto pair = pair_order_of(cut.orders[static_cast<std::size_t>(region.order)], inputs);
    const bool whole_tiles = region.column % kPairItemColumns == 0 &&
                             region.columns % kPairItemColumns == 0 &&
                             region.column + region.columns <= outputs;
    const bool takes = pair && whole_tiles && (run == 0 || run == pair->run);
    if (takes) run = pair->run;
    (takes ? split.taken : split.left).regions.push_back(region);
  }
  return split;
}

PairWork pair_work(const Schedule& taken, int clusters) {
  PairWork work;
  std::vector<PairUnit> orders(taken.orders.size(), PairUnit{});
  for (const Region& region : taken.regions) {
    const auto order = static_cast<std::size_t>(region.order);
    if (orders[order].slices != 0) continue;
    const Index inputs = inputs_of(taken.orders[order]);
    const auto pair = pair_order_of(taken.orders[order], inputs);
    require(pair && (work.run == 0 || (work.run == pair->run && work.inputs == inputs)),
            "regions that split_for_chain_pair took");
    work.run = pair->run;
    work.inputs = inputs;
    orders[order].ends = static_cast<int>(work.ends.size());
    orders[order].slices = static_cast<int>(pair->ends.size());
    for (const Index end : pair->ends) work.ends.push_back(static_cast<int>(end / kPairTileK));
  }
  work.items = items_of(units_of(taken, orders));
  work.parked = assign_places(work.items, clusters);
  return work;
}

}  // namespace assay
