#include "kernels/recipes/cublas.h"

#include <algorithm>
#include <vector>

#include "kernels/recipes/dense.h"

namespace assay {
namespace {

struct SplitRange {
  Index last_row;
  Index splits;
};

struct SplitRow {
  Dtype dtype;
  WeightLayout layout;
  Index outputs;
  Index inputs;
  std::vector<SplitRange> ranges;
};

const std::vector<SplitRow>& split_table() {
  static const std::vector<SplitRow> table = {
#include "kernels/recipes/cublas_splits.inc"
  };
  return table;
}

constexpr Device kMeasuredDevice = Device::h200;
constexpr Index kMostMeasuredRows = 8192;

const SplitRow* find(const LinearProblem& problem, const DeviceSpec& device, WeightLayout layout) {
  if (!has_measured_splits(device)) return nullptr;
  for (const SplitRow& row : split_table()) {
    if (row.dtype == problem.dtype && row.layout == layout && row.outputs == problem.outputs &&
        row.inputs == problem.inputs) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace

std::optional<Index> measured_splits(const LinearProblem& problem, const DeviceSpec& device,
                                     WeightLayout layout) {
  const SplitRow* row = find(problem, device, layout);
  if (row == nullptr) return std::nullopt;
  for (const SplitRange& range : row->ranges) {
    if (problem.rows <= range.last_row) return range.splits;
  }
  return std::nullopt;
}

bool has_measured_splits(const DeviceSpec& device) {
  return device.family == Family::hopper && device.sm_count == spec_of(kMeasuredDevice).sm_count;
}

std::string_view split_evidence(std::span<const LinearProblem> problems, const DeviceSpec& device,
                                WeightLayout layout, Index most_rows) {
  const auto measured = std::count_if(problems.begin(), problems.end(), [&](const LinearProblem& problem) {
    return find(problem, device, layout) != nullptr;
  });
  if (measured == 0) return "not measured";
  if (measured < std::ssize(problems) || most_rows > kMostMeasuredRows) return "partly measured";
  return device.device == kMeasuredDevice ? "measured" : "measured on h200";
}

bool splits_vary(const LinearProblem& problem, const DeviceSpec& device, WeightLayout layout) {
  const SplitRow* row = find(problem, device, layout);
  return row != nullptr && row->ranges.size() > 1;
}

Schedule cublas_schedule(const LinearProblem& problem, const DeviceSpec& device, WeightLayout layout) {
  return split_k_schedule(problem, measured_splits(problem, device, layout).value_or(1)).value();
}

}  // namespace assay
