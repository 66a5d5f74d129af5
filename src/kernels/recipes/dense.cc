#include "kernels/recipes/dense.h"

#include <fmt/format.h>

#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

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
  if (problem.inputs % (16 * splits) != 0) {
    return Error{"", fmt::format("split_k({})", splits),
                 fmt::format("inputs (K) a multiple of {}", 16 * splits), std::to_string(problem.inputs)};
  }
  const std::vector<Index> lengths(static_cast<std::size_t>(splits), problem.inputs / splits);
  return one_region(problem, ascending_sum(lengths));
}

}  // namespace assay
