// Attention on the CUDA cores against the CPU's, bit for bit: families, shapes, and numbers that are not finite.
#include "kernels/cuda/attention_case.h"

namespace assay {
namespace {

constexpr Device kDevices[] = {Device::ieee, Device::exact, Device::v100, Device::t4,
                               Device::a100, Device::l4,    Device::h100, Device::b200};

// The last `rows` positions. The slots behind the last hold NaN.
void check(const AttentionCase& problem, Device device, Index rows) {
  const AttentionShape& shape = problem.shape;
  const Family family = spec_of(device).family;
  const bool fused = family == Family::ieee || family == Family::exact;
  if (!fused && !dot_arithmetic(family, operand_of(shape.dtype))) return;
  const Index width = shape.heads * shape.d;
  const Index first_position = problem.positions - rows;
  const Index capacity = problem.positions + 70;
  std::vector<std::uint16_t> keys(static_cast<std::size_t>(shape.kv_heads * capacity * shape.d), 0xffff);
  std::vector<std::uint16_t> values = keys;
  for (Index head = 0; head < shape.kv_heads; ++head) {
    std::copy_n(problem.keys.begin() + problem.at(head, 0), problem.positions * shape.d,
                keys.begin() + head * capacity * shape.d);
    std::copy_n(problem.values.begin() + problem.at(head, 0), problem.positions * shape.d,
                values.begin() + head * capacity * shape.d);
  }
  const auto device_keys = uploaded(keys);
  const auto device_values = uploaded(values);
  const auto q = uploaded(problem.q);
  const auto out = poisoned<std::uint16_t>(rows * width);
  attention_plain({.dtype = shape.dtype,
                   .q = q.data() + first_position * width,
                   .q_stride = width,
                   .rows = rows,
                   .heads = shape.heads,
                   .kv = {device_keys.data(), device_values.data(), shape.kv_heads, capacity, shape.d},
                   .out = out.data()},
                  family, first_position, nullptr);
  EXPECT_EQ(differences(shape.dtype, downloaded(out), problem.on_cpu(device, first_position, rows), width),
            "")
      << name_of(device) << (shape.dtype == Dtype::fp16 ? " fp16" : " bf16") << " heads " << shape.heads
      << " d " << shape.d << " positions " << problem.positions << " rows " << rows;
}

void check_all(const AttentionShape& shape, Index positions, Index rows, float query_deviation = 1.0F) {
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    AttentionShape with_dtype = shape;
    with_dtype.dtype = dtype;
    const AttentionCase problem(with_dtype, positions, query_deviation, 7);
    for (const Device device : kDevices) check(problem, device, rows);
  }
}

TEST(AttentionPlain, IsTheCpusForEveryFamilyAndShape) {
  ASSAY_NEEDS_GPU(80);
  check_all({.heads = 4, .kv_heads = 2, .d = 64}, 1, 1);
  check_all({.heads = 4, .kv_heads = 2, .d = 64}, 150, 150);
  check_all({.heads = 4, .kv_heads = 4, .d = 80}, 128, 3);
  check_all({.heads = 8, .kv_heads = 2, .d = 128}, 197, 65);
  check_all({.heads = 32, .kv_heads = 8, .d = 128}, 300, 2);
}

// Weights from 1 down to nothing, the maximum moves, and accumulators are scaled down to zeros of both signs.
TEST(AttentionPlain, IsTheCpusWherePeaksAreSharp) {
  ASSAY_NEEDS_GPU(80);
  check_all({.heads = 4, .kv_heads = 2, .d = 64}, 260, 260, 30.0F);
}

TEST(AttentionPlain, IsTheCpusForInfinitiesAndNan) {
  ASSAY_NEEDS_GPU(80);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    const auto infinity = static_cast<std::uint16_t>(dtype == Dtype::fp16 ? 0x7c00 : 0x7f80);
    AttentionCase problem({.dtype = dtype}, 140, 4.0F, 3);
    const auto set = [&](std::vector<std::uint16_t>& where, Index head, Index position, Index i,
                         unsigned bits) {
      where[static_cast<std::size_t>(problem.at(head, position) + i)] = static_cast<std::uint16_t>(bits);
    };
    set(problem.values, 0, 90, 5, infinity);
    set(problem.values, 0, 131, 5, infinity | 0x8000U);  // both: NaN from there on
    set(problem.values, 0, 139, 9, 0xffff);              // seen by the last row only
    set(problem.keys, 1, 100, 3, infinity);
    for (const Device device : kDevices) check(problem, device, 140);
  }
}

}  // namespace
}  // namespace assay
