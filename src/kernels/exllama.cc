#include "kernels/exllama.h"

#include <algorithm>
#include <numeric>

#include "base/splitmix.h"

namespace assay {
namespace {

constexpr Index kTaskColumns = 8 * kPanelColumns;
static_assert(kExllamaColumns % kTaskColumns == 0);

// Outputs that share a thread block's order, counted from the first row asked for.
struct Task {
  Index row = 0;
  Index rows = 0;
  Index row_tile = 0;
  Index column = 0;
  Index columns = 0;
};

std::vector<Task> tasks_of(RowRange rows, Index columns) {
  std::vector<Task> tasks;
  for (Index row = 0; row < rows.count;) {
    const Index tile = (rows.first + row) / kExllamaRows;
    const Index end = std::min((tile + 1) * kExllamaRows - rows.first, rows.count);
    for (Index column = 0; column < columns; column += kTaskColumns) {
      tasks.push_back({row, end - row, tile, column, std::min(kTaskColumns, columns - column)});
    }
    row = end;
  }
  return tasks;
}

class Product {
 public:
  Product(const Compute& compute, const float* x, const IntegerMatrix& w, std::uint64_t noise, float* out)
      : ops_(compute.ops), x_(x), w_(w), noise_(noise), out_(out) {}

  void run(const Task& task) const {
    const Index blocks = ceil_div(w_.rows, kExllamaBlock);
    const Index width = ceil_div(task.columns, kPanelColumns) * kPanelColumns;
    std::vector<float> results(static_cast<std::size_t>(blocks * task.rows * width));
    for (Index panel = 0; panel < width / kPanelColumns; ++panel) {
      for (Index block = 0; block < blocks; ++block) {
        block_of_panel(task, task.column / kPanelColumns + panel, block,
                       results.data() + block * task.rows * width + panel * kPanelColumns, width);
      }
    }
    const auto order = exllama_block_order(noise_, task.row_tile, task.column / kExllamaColumns, blocks);
    for (Index row = 0; row < task.rows; ++row) {
      float* out = out_ + (task.row + row) * w_.columns + task.column;
      std::fill_n(out, task.columns, 0.0F);
      for (const Index block : order) {
        ops_.add(out, results.data() + (block * task.rows + row) * width, task.columns, out);
      }
    }
  }

 private:
  void block_of_panel(const Task& task, Index panel, Index block, float* out, Index out_stride) const {
    const Index first = block * kExllamaBlock;
    ops_.half_dots({.x = x_ + task.row * w_.rows + first,
                    .x_stride = w_.rows,
                    .rows = task.rows,
                    .integers = w_.panel(panel) + first * kPanelColumns,
                    .scales = w_.panel_scales(panel),
                    .first = first,
                    .count = std::min(kExllamaBlock, w_.rows - first),
                    .group_size = w_.group_size,
                    .out = out,
                    .out_stride = out_stride});
  }

  const Ops& ops_;
  const float* x_;
  const IntegerMatrix& w_;
  std::uint64_t noise_;
  float* out_;
};

}  // namespace

Result<void> check_exllama(const LinearProblem& problem) {
  const auto refuse = [](std::string expected, std::string found) {
    return Error{"", "kernel exllama", std::move(expected), std::move(found)};
  };
  const Index group = problem.group_size;
  if (problem.dtype != Dtype::fp16) return refuse("dtype float16", std::string(name_of(problem.dtype)));
  if (group < 1) return refuse("GPTQ weights", "weights that are not quantized");
  if (problem.outputs % 8 != 0) return refuse("outputs (N) a multiple of 8", std::to_string(problem.outputs));
  if (problem.inputs % 32 != 0) return refuse("inputs (K) a multiple of 32", std::to_string(problem.inputs));
  const bool whole_blocks = group % kExllamaBlock == 0 || group == problem.inputs;
  if (!whole_blocks && group != 32 && group != 64) {
    return refuse("group_size 32, 64, a multiple of 128, or K", std::to_string(group));
  }
  return {};
}

std::vector<Index> exllama_block_order(std::uint64_t noise, Index row_tile, Index column_block,
                                       Index blocks) {
  std::vector<Index> order(static_cast<std::size_t>(blocks));
  std::iota(order.begin(), order.end(), Index{0});
  SplitMix64 random(seed_of_part(seed_of_part(noise, static_cast<std::uint64_t>(row_tile)),
                                 static_cast<std::uint64_t>(column_block)));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
  return order;
}

void exllama_product(const Compute& compute, RowRange rows, const float* x, const IntegerMatrix& w,
                     std::uint64_t noise, float* out) {
  require(compute.ops.dtype == Dtype::fp16, "exllama takes FP16 activations");
  const Product product(compute, x, w, noise, out);
  const std::vector<Task> tasks = tasks_of(rows, w.columns);
  compute.pool.parallel_for(static_cast<Index>(tasks.size()),
                            [&](Index i) { product.run(tasks[static_cast<std::size_t>(i)]); });
}

}  // namespace assay
