#include "kernels/recipes/half_gemm.h"

#include <algorithm>
#include <array>

#include "kernels/exllama.h"
#include "kernels/recipes/schedule_builder.h"

namespace assay {
namespace {

constexpr Index kMostMeasuredRows = 8192;

struct Row {
  Index outputs, inputs;
  Index first, last;  // rows of the pass
  Index splits;
  bool descending = false;
};

// An H100 SXM and an H200, both of 132 multiprocessors.
constexpr std::array kMeasured = {
    Row{512, 256, 51, 8192, 1},      Row{256, 256, 51, 8192, 1},
    Row{2048, 256, 51, 8192, 1},     Row{256, 1024, 51, 128, 8},
    Row{256, 1024, 129, 415, 4},     Row{256, 1024, 416, 448, 1},
    Row{256, 1024, 449, 512, 8},     Row{256, 1024, 513, 8192, 1},
    Row{6144, 4096, 51, 256, 1},     Row{6144, 4096, 385, 640, 1},
    Row{6144, 4096, 897, 2560, 1},   Row{6144, 4096, 2689, 2816, 1},
    Row{6144, 4096, 2944, 2944, 1},  Row{6144, 4096, 3201, 7040, 1},
    Row{6144, 4096, 7169, 8192, 1},  Row{4096, 4096, 51, 64, 4},
    Row{4096, 4096, 65, 192, 1},     Row{4096, 4096, 213, 224, 2},
    Row{4096, 4096, 225, 384, 1},    Row{4096, 4096, 394, 448, 1},
    Row{4096, 4096, 513, 8192, 1},   Row{24576, 4096, 51, 160, 1},
    Row{24576, 4096, 193, 1012, 1},  Row{24576, 4096, 1025, 3328, 1},
    Row{24576, 4096, 3457, 4096, 1}, Row{24576, 4096, 4353, 4608, 1},
    Row{24576, 4096, 4865, 5376, 1}, Row{24576, 4096, 5633, 5888, 1},
    Row{24576, 4096, 6145, 6656, 1}, Row{24576, 4096, 6913, 7168, 1},
    Row{24576, 4096, 7425, 8001, 1}, Row{24576, 4096, 8065, 8192, 1},
    Row{4096, 12288, 51, 64, 8},     Row{4096, 12288, 65, 96, 3, true},
    Row{4096, 12288, 129, 192, 1},   Row{4096, 12288, 211, 256, 2},
    Row{4096, 12288, 257, 384, 1},   Row{4096, 12288, 513, 1024, 1},
    Row{4096, 12288, 1153, 1280, 1}, Row{4096, 12288, 1409, 5682, 1},
    Row{4096, 12288, 5761, 5864, 1}, Row{4096, 12288, 5889, 6656, 1},
    Row{4096, 12288, 7041, 7092, 1}, Row{4096, 12288, 7169, 8192, 1},
    Row{1024, 1024, 64, 64, 4},  // measured at these two only
    Row{1024, 1024, 256, 256, 1},
};

bool is_measured_device(const DeviceSpec& device) {
  return device.device == Device::h100 || device.device == Device::h200;
}

}  // namespace

HalfGemmSplit half_gemm_split(const LinearProblem& problem, const DeviceSpec& device) {
  if (!is_measured_device(device)) return {};
  const auto* row = std::find_if(kMeasured.begin(), kMeasured.end(), [&](const Row& r) {
    return r.outputs == problem.outputs && r.inputs == problem.inputs && r.first <= problem.rows &&
           problem.rows <= r.last;
  });
  if (row == kMeasured.end()) return {};
  return {row->splits, row->descending, true};
}

Schedule half_gemm_schedule(const LinearProblem& problem, const DeviceSpec& device) {
  const HalfGemmSplit split = half_gemm_split(problem, device);
  SumOrder order;
  order.accumulator = Accumulator::fp16;
  const Index length = problem.inputs / split.splits;
  for (Index i = 0; i < split.splits; ++i) {
    const Index piece = split.descending ? split.splits - 1 - i : i;
    order.walks.push_back(contiguous_walk(piece * length, length));
    if (i > 0) order.adds.push_back({0, i});
  }
  return {.orders = {std::move(order)},
          .regions = {{.row = 0, .rows = problem.rows, .column = 0, .columns = problem.outputs, .order = 0}}};
}

std::string_view half_gemm_evidence(std::span<const LinearProblem> layers, const DeviceSpec& device,
                                    Index most_rows) {
  Index measured = 0;
  Index all = 0;
  for (LinearProblem layer : layers) {
    for (layer.rows = kExllamaMostRows + 1; layer.rows <= kMostMeasuredRows; ++layer.rows) {
      measured += half_gemm_split(layer, device).measured ? 1 : 0;
      ++all;
    }
  }
  if (measured == 0) return "not measured";
  return measured == all && most_rows <= kMostMeasuredRows ? "measured" : "partly measured";
}

}  // namespace assay
