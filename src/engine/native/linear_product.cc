#include "engine/native/linear_product.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/exllama.h"

namespace assay {
namespace {

constexpr std::size_t kMostSchedules = 256;  // then all are made anew

LinearProblem problem_of(const Linear& linear, Index rows) {
  return {.rows = rows,
          .outputs = linear.weight.columns,
          .inputs = linear.weight.rows,
          .group_size = linear.group_size,
          .zero_points = linear.zero_points,
          .dtype = linear.weight.dtype};
}

}  // namespace

const Schedule& LinearProduct::schedule(const Linear& linear, Index pass_rows) {
  const Key key(pass_rows, linear.weight.columns, linear.weight.rows);
  if (const auto found = schedules_.find(key); found != schedules_.end()) return found->second;
  if (schedules_.size() >= kMostSchedules) schedules_.clear();
  auto made = schedule_for(kernel_, problem_of(linear, pass_rows), spec_of(compute_.device));
  return schedules_.emplace(key, std::move(made.value())).first->second;
}

// Values of x [rows, K] in `order`.
std::vector<float> LinearProduct::gather(const float* x, Index rows,
                                         const std::vector<std::int32_t>& order) const {
  const auto inputs = static_cast<Index>(order.size());
  std::vector<float> gathered(static_cast<std::size_t>(rows * inputs));
  for_each_row(compute_, rows, [&](Index row) {
    for (Index k = 0; k < inputs; ++k) {
      gathered[static_cast<std::size_t>(row * inputs + k)] =
          x[row * inputs + order[static_cast<std::size_t>(k)]];
    }
  });
  return gathered;
}

void LinearProduct::run(const Linear& linear, Index pass_rows, RowRange rows, const float* x, float* out,
                        std::uint64_t noise) {
  const Index outputs = linear.weight.columns;
  const bool integers = kernel_.kernel == KernelName::exllama && pass_rows <= kExllamaMostRows;
  const std::vector<std::int32_t>& order = integers ? linear.integers->input_order : linear.input_order;
  std::vector<float> gathered;
  if (!order.empty()) {
    gathered = gather(x, rows.count, order);
    x = gathered.data();
  }
  if (integers) {
    exllama_product(compute_, rows, x, *linear.integers, noise, out);
  } else {
    matmul(compute_, schedule(linear, pass_rows), rows, x, linear.weight, out);
  }
  for (const auto& [values, op] :
       {std::pair{&linear.output_scale, compute_.ops.multiply}, std::pair{&linear.bias, compute_.ops.add}}) {
    if (values->empty()) continue;
    for_each_row(compute_, rows.count, [&, op = op, v = values->data()](Index row) {
      op(out + row * outputs, v, outputs, out + row * outputs);
    });
  }
}

}  // namespace assay
