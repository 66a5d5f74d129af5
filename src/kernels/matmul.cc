#include <algorithm>
#include <vector>

#include "base/error.h"
#include "kernels/compute.h"

namespace assay {
namespace {

// A task's weights (128 columns) stay in the second-level cache while its rows stream past.
constexpr Index kTaskRows = 192;
constexpr Index kTaskColumns = 8 * kPanelColumns;

// Regions cut to tasks. Cuts group outputs only; the one limit on columns is that panels stay whole.
std::vector<Region> tasks_of(const Schedule& schedule, RowRange rows) {
  std::vector<Region> tasks;
  for (const Region& region : rows_of(schedule, rows).regions) {
    require(region.column % kPanelColumns == 0, "regions begin at a panel");
    const Index end = region.row + region.rows;
    for (Index column = 0; column < region.columns; column += kTaskColumns) {
      for (Index row = region.row; row < end; row += kTaskRows) {
        tasks.push_back({row, std::min(kTaskRows, end - row), region.column + column,
                         std::min(kTaskColumns, region.columns - column), region.order});
      }
    }
  }
  return tasks;
}

class Product {
 public:
  Product(const Compute& compute, const float* a, const PackedMatrix& w, float* out)
      : compute_(compute), a_(a), w_(w), out_(out) {}

  void run(const SumOrder& order, const Region& task) const {
    float* out = out_ + task.row * w_.columns + task.column;
    if (order.walks.size() == 1) {
      chain(order, order.walks[0], task, out, w_.columns);
    } else {
      sum(order, task, out);
    }
    for (Index r = 0; r < task.rows; ++r) {
      compute_.ops.round(out + r * w_.columns, task.columns, out + r * w_.columns);
    }
  }

 private:
  void chain(const SumOrder& order, const Walk& walk, const Region& task, float* c, Index c_stride) const {
    compute_.ops.chain(compute_.family(), w_.dtype,
                       {.a = a_ + task.row * w_.rows,
                        .a_stride = w_.rows,
                        .rows = task.rows,
                        .panels = w_.panel(task.column / kPanelColumns),
                        .panel_stride = w_.panel_stride(),
                        .columns = task.columns,
                        .walk = walk,
                        .c = c,
                        .c_stride = c_stride,
                        .accumulate = false,
                        .accumulator = order.accumulator});
  }

  void sum(const SumOrder& order, const Region& task, float* out) const {
    const Index size = task.rows * task.columns;
    std::vector<float> sums(order.walks.size() * static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < order.walks.size(); ++i) {
      float* c = sums.data() + static_cast<Index>(i) * size;
      chain(order, order.walks[i], task, c, task.columns);
      if (order.rounds_walks) compute_.ops.round(c, size, c);
    }
    for (const Add& add : order.adds) {
      float* into = sums.data() + add.into * size;
      if (order.accumulator == Accumulator::fp32) {
        compute_.ops.accumulate(sums.data() + add.from * size, size, into);
      } else {
        compute_.ops.add(into, sums.data() + add.from * size, size, into);
      }
    }
    for (Index r = 0; r < task.rows; ++r) {
      std::copy_n(sums.begin() + r * task.columns, task.columns, out + r * w_.columns);
    }
  }

  const Compute& compute_;
  const float* a_;
  const PackedMatrix& w_;
  float* out_;
};

}  // namespace

void matmul(const Compute& compute, const Schedule& schedule, RowRange rows, const float* a,
            const PackedMatrix& w, float* out) {
  for (const SumOrder& order : schedule.orders) {
    require(order.accumulator == Accumulator::fp32 || compute.ops.dtype == Dtype::fp16,
            "FP16 accumulators go with FP16 activations");
  }
  const Product product(compute, a, w, out);
  const std::vector<Region> tasks = tasks_of(schedule, rows);
  Index covered = 0;
  for (const Region& task : tasks) covered += task.rows * task.columns;
  require(covered == rows.count * w.columns, "the schedule covers the product");
  compute.pool.parallel_for(static_cast<Index>(tasks.size()), [&](Index i) {
    const Region& task = tasks[static_cast<std::size_t>(i)];
    product.run(schedule.orders[static_cast<std::size_t>(task.order)], task);
  });
}

}  // namespace assay
