#include "kernels/cuda/device_schedule.h"

#include <algorithm>

#include "base/error.h"

namespace assay {
namespace {

std::vector<DeviceTile> tiles_of(const Schedule& cut, Index tile_rows, Index tile_columns) {
  std::vector<DeviceTile> tiles;
  for (const Region& region : cut.regions) {
    for (Index column = 0; column < region.columns; column += tile_columns) {
      for (Index row = 0; row < region.rows; row += tile_rows) {
        tiles.push_back({static_cast<int>(region.row + row),
                         static_cast<int>(std::min(tile_rows, region.rows - row)),
                         static_cast<int>(region.column + column),
                         static_cast<int>(std::min(tile_columns, region.columns - column)),
                         static_cast<int>(region.order)});
      }
    }
  }
  return tiles;
}

}  // namespace

DeviceSchedule::DeviceSchedule(const Schedule& cut, Index tile_rows, Index tile_columns,
                               cudaStream_t stream) {
  std::vector<DeviceWalk> walks;
  std::vector<int2> adds;
  std::vector<DeviceOrder> orders;
  for (const SumOrder& order : cut.orders) {
    require(order.accumulator == Accumulator::fp32, "FP32 accumulators");
    orders.push_back({static_cast<int>(walks.size()), static_cast<int>(order.walks.size()),
                      static_cast<int>(adds.size()), static_cast<int>(order.adds.size()),
                      order.rounds_walks ? 1 : 0});
    view_.most_walks = std::max(view_.most_walks, static_cast<int>(order.walks.size()));
    for (const Walk& walk : order.walks) {
      walks.push_back({static_cast<int>(walk.first), static_cast<int>(walk.run),
                       static_cast<int>(walk.stride), static_cast<int>(walk.count)});
    }
    for (const Add& add : order.adds)
      adds.push_back(int2{static_cast<int>(add.into), static_cast<int>(add.from)});
  }
  const std::vector<DeviceTile> tiles = tiles_of(cut, tile_rows, tile_columns);
  walks_ = DeviceBuffer<DeviceWalk>(std::span<const DeviceWalk>(walks), stream);
  adds_ = DeviceBuffer<int2>(std::span<const int2>(adds), stream);
  orders_ = DeviceBuffer<DeviceOrder>(std::span<const DeviceOrder>(orders), stream);
  tiles_ = DeviceBuffer<DeviceTile>(std::span<const DeviceTile>(tiles), stream);
  view_.walks = walks_.data();
  view_.adds = adds_.data();
  view_.orders = orders_.data();
  view_.tiles = tiles_.data();
  view_.tile_count = static_cast<int>(tiles.size());
}

}  // namespace assay
