#include "kernels/cuda/device_matmul.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/gpus.h"

namespace assay {
namespace {

constexpr std::size_t kMostPlans = 128;   // then all are made anew
constexpr Index kLeastLibraryRows = 128;  // below, a library product waits on few thread blocks

// few_rows keeps the scales of a strip in shared memory: small groups of a long K do not fit.
bool fits_few_rows(const DeviceWeight& w, Index inputs) {
  return w.dense != nullptr || inputs / w.int4.group_size <= 128;
}

// The schedule of one row for each of `rows`.
Schedule repeated(Schedule schedule, Index rows) {
  for (Region& region : schedule.regions) region.rows = rows;
  return schedule;
}

}  // namespace

DeviceMatmul::DeviceMatmul(Family family, Dtype dtype, cudaStream_t stream)
    : family_(family), dtype_(dtype), stream_(stream) {
  const Gpu gpu = current_gpu();
  on_tensor_cores_ = gpu_has_arithmetic(gpu, family, dtype);
  is_hopper_ = gpu.capability == 90;
}

void DeviceMatmul::reserve_dequantized(Index elements) {
  const auto size = static_cast<std::size_t>(elements);
  if (dequantized_.size() < size) dequantized_ = DeviceBuffer<std::uint16_t>(size);
}

DeviceMatmul::Plan DeviceMatmul::make_plan(const Schedule& cut, const ProductOperands& operands,
                                           const DeviceWeight& w) {
  Plan plan;
  if (!on_tensor_cores_) {
    plan.emulated.emplace(cut, family_, dtype_, stream_);
    return plan;
  }
  const Index rows = operands.rows;
  if (rows <= kMostFewRows && fits_few_rows(w, operands.inputs) &&
      supports_few_rows(cut, rows, operands.outputs, operands.inputs)) {
    plan.few_rows.emplace(cut, rows, operands.outputs, operands.inputs, stream_);
    return plan;
  }
  plan.by_library = rows >= kLeastLibraryRows &&
                    supports_library_chain(cut, rows, operands.outputs, operands.inputs) &&
                    library_.prepare(operands, stream_);
  if (plan.by_library) return plan;
  Schedule left = cut;
  if (is_hopper_) {
    ChainPairSplit split = split_for_chain_pair(cut, operands.outputs, operands.inputs);
    if (!split.taken.regions.empty()) plan.pair.emplace(split.taken, stream_);
    left = std::move(split.left);
  }
  if (!left.regions.empty()) plan.sum.emplace(left, stream_);
  return plan;
}

void DeviceMatmul::launch(Plan& plan, const ProductOperands& operands, const DeviceWeight& w) {
  if (plan.few_rows && w.dense == nullptr) return plan.few_rows->run(operands, w.int4, stream_);
  if (plan.few_rows) return plan.few_rows->run(operands, stream_);
  if (plan.emulated) return plan.emulated->run(operands, stream_);
  if (plan.by_library) return library_.run(operands, stream_);
  if (plan.pair) plan.pair->run(operands, stream_);
  if (plan.sum) plan.sum->run(operands, stream_);
}

void DeviceMatmul::run(int shape, const ProductRows& rows, const std::function<Schedule(Index)>& schedule,
                       const std::uint16_t* x, const DeviceWeight& w, Index outputs, Index inputs,
                       std::uint16_t* out) {
  ProductOperands operands{.x = x,
                           .w = w.dense,
                           .out = out,
                           .rows = rows.rows.count,
                           .outputs = outputs,
                           .inputs = inputs,
                           .dtype = dtype_};
  const Key key{shape, rows.pass_rows, rows.rows.first, rows.rows.count, rows.are_passes};
  auto found = plans_.find(key);
  const bool reads_nibbles = found != plans_.end() && found->second.few_rows.has_value();
  if (w.dense == nullptr && !reads_nibbles) {
    require(static_cast<Index>(dequantized_.size()) >= outputs * inputs, "room for the dequantized weights");
    dequantize(w.int4, dequantized_.data(), stream_);
    operands.w = dequantized_.data();
  }
  if (found == plans_.end()) {
    if (plans_.size() >= kMostPlans) {
      plans_.clear();
      ++times_cleared_;
    }
    const Schedule cut = rows.are_passes ? repeated(schedule(1), rows.rows.count)
                                         : rows_of(schedule(rows.pass_rows), rows.rows);
    found = plans_.emplace(key, make_plan(cut, operands, w)).first;
  }
  launch(found->second, operands, w);
}

}  // namespace assay
