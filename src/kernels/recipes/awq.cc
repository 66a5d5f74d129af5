#include "kernels/recipes/awq.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kernels/recipes/cublas.h"
#include "kernels/recipes/dense.h"

namespace assay {
namespace {

constexpr Index kSplits = 8;
constexpr Index kChunk = 32;

std::optional<Error> refusal(const LinearProblem& problem, const DeviceSpec& device) {
  const auto refuse = [](std::string expected, std::string found) {
    return Error{"", "kernel awq", std::move(expected), std::move(found)};
  };
  if (device.compute_capability < 75) {
    return refuse("a device of compute capability 7.5 or more", std::string(device.name));
  }
  if (problem.dtype != Dtype::fp16) return refuse("dtype float16", std::string(name_of(problem.dtype)));
  const Index group = problem.group_size;
  if (group <= 0 || group % 32 != 0) return refuse("a group size that 32 divides", std::to_string(group));
  if (problem.outputs % 128 != 0) {
    return refuse("outputs (N) a multiple of 128: the 64-column variant's results are not defined",
                  std::to_string(problem.outputs));
  }
  if (problem.outputs % group != 0) {
    return refuse(fmt::format("outputs (N) a multiple of the group size {}", group),
                  std::to_string(problem.outputs));
  }
  if (problem.inputs % group != 0) {
    return refuse(fmt::format("inputs (K) a multiple of the group size {}", group),
                  std::to_string(problem.inputs));
  }
  return std::nullopt;
}

SumOrder split_sum(Index inputs) {
  SumOrder order{
      .walks = {}, .adds = {{0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {0, 2}, {0, 3}}, .rounds_walks = true};
  const Index chunks = inputs / kChunk;
  for (Index split = 0; split < kSplits; ++split) {
    const Index count = std::max<Index>(0, ceil_div(chunks - split, kSplits));
    order.walks.push_back(
        {.first = split * kChunk, .run = kChunk, .stride = kSplits * kChunk, .count = count});
  }
  return order;
}

}  // namespace

Result<Schedule> awq_schedule(const LinearProblem& problem, const DeviceSpec& device) {
  if (auto refused = refusal(problem, device)) return *refused;
  if (problem.rows >= kAwqDequantizeRows) return cublas_schedule(problem, device, WeightLayout::plain);
  Schedule schedule = chain_schedule(problem);
  schedule.orders = {split_sum(problem.inputs)};
  return schedule;
}

}  // namespace assay
