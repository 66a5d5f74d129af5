#include "kernels/recipes/dense.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

constexpr Index kSplitTile = 64;

Schedule one_region(const LinearProblem& problem, SumOrder order) {
  return {.orders = {std::move(order)},
          .regions = {{.row = 0, .rows = problem.rows, .column = 0, .columns = problem.outputs, .order = 0}}};
}

}  // namespace

Schedule chain_schedule(const LinearProblem& problem) {
  return one_region(problem, ascending_sum({problem.inputs}));
}

Result<Schedule> split_k_schedule(const LinearProblem& problem, Index splits) {
  if (splits < 1) return Error{"", "split_k", "at least 1 split", std::to_string(splits)};
  const Index tiles = ceil_div(problem.inputs, kSplitTile);
  const Index length = ceil_div(tiles, splits) * kSplitTile;
  std::vector<Index> lengths;
  for (Index first = 0; first < problem.inputs; first += length) {
    lengths.push_back(std::min(length, problem.inputs - first));
  }
  if (static_cast<Index>(lengths.size()) != splits) {
    return Error{"", fmt::format("split_k({})", splits),
                 fmt::format("at least one of the {} tiles of 64 inputs for each split", tiles),
                 fmt::format("{} splits of {} inputs", lengths.size(), length)};
  }
  return one_region(problem, ascending_sum(lengths));
}

}  // namespace assay
