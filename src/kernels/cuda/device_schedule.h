// A Schedule in device memory, its regions cut to the tiles of a kernel.
#pragma once

#include <vector>

#include "kernels/cuda/gpu.h"
#include "kernels/schedule.h"

namespace assay {

struct DeviceWalk {
  int first, run, stride, count;  // kernels/schedule.h's Walk
};

struct DeviceOrder {
  int first_walk, walks;  // in DeviceScheduleView::walks
  int first_add, adds;    // in DeviceScheduleView::adds
  int rounds_walks;       // 0 or 1
};

// At most the kernel's tile; within one region.
struct DeviceTile {
  int row, rows, column, columns, order;
};

// What kernels are passed, by value.
struct DeviceScheduleView {
  const DeviceWalk* walks;
  const int2* adds;  // x: into, y: from, counted from the order's first walk
  const DeviceOrder* orders;
  const DeviceTile* tiles;
  int tile_count;
  int most_walks;  // of any order
};

class DeviceSchedule {
 public:
  DeviceSchedule() = default;
  // `cut` is a result of rows_of. Orders with FP16 accumulators: Fault. The upload is ordered on `stream`.
  DeviceSchedule(const Schedule& cut, Index tile_rows, Index tile_columns, cudaStream_t stream);

  const DeviceScheduleView& view() const { return view_; }

 private:
  DeviceBuffer<DeviceWalk> walks_;
  DeviceBuffer<int2> adds_;
  DeviceBuffer<DeviceOrder> orders_;
  DeviceBuffer<DeviceTile> tiles_;
  DeviceScheduleView view_ = {};
};

}  // namespace assay
