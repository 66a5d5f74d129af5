// For the tests of attention on the GPU: random queries and a cache, on the device and as the CPU computes with them.
#pragma once

#include <string>

#include "kernels/attention.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/gpu_test.h"

namespace assay {

struct AttentionShape {
  Dtype dtype = Dtype::fp16;
  Index heads = 4;
  Index kv_heads = 2;
  Index d = 64;
};

// One sequence: queries [positions, heads * d], keys and values [kv_heads][positions][d], all as bits.
struct AttentionCase {
  AttentionCase(const AttentionShape& of, Index count, float query_deviation, unsigned seed)
      : shape(of),
        positions(count),
        q(random16(of.dtype, count * of.heads * of.d, query_deviation, seed)),
        keys(random16(of.dtype, count * of.kv_heads * of.d, 1.0F, seed + 1)),
        values(random16(of.dtype, count * of.kv_heads * of.d, 1.0F, seed + 2)) {}

  Index at(Index head, Index position) const { return (head * positions + position) * shape.d; }

  // [rows, heads * d] of rows at first_position + row.
  std::vector<std::uint16_t> on_cpu(Device device, Index first_position, Index rows) const {
    static ThreadPool pool(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
    KvCache cache(shape.kv_heads, shape.d, positions, shape.dtype);
    const std::vector<float> k = decoded(shape.dtype, keys);
    const std::vector<float> v = decoded(shape.dtype, values);
    for (Index head = 0; head < shape.kv_heads; ++head) {
      for (Index p = 0; p < positions; ++p)
        cache.store(p, head, k.data() + at(head, p), v.data() + at(head, p));
    }
    const Index width = shape.heads * shape.d;
    const std::vector<float> queries = decoded(shape.dtype, q);
    std::vector<float> out(static_cast<std::size_t>(rows * width));
    attention({pool, ops_for(fastest_isa(), shape.dtype), device}, queries.data() + first_position * width,
              width, rows, first_position, shape.heads, cache, out.data());
    return encoded(shape.dtype, out);
  }

  AttentionShape shape;
  Index positions;
  std::vector<std::uint16_t> q, keys, values;
};

// Empty if all numbers are equal, a NaN to any NaN; else how many are not, and the first of them.
inline std::string differences(Dtype dtype, const std::vector<std::uint16_t>& found,
                               const std::vector<std::uint16_t>& expected, Index width) {
  const unsigned infinity = dtype == Dtype::fp16 ? 0x7c00 : 0x7f80;
  if (found.size() != expected.size()) return "sizes";
  Index wrong = 0;
  std::string first;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const bool nans = (found[i] & 0x7fffU) > infinity && (expected[i] & 0x7fffU) > infinity;
    if (found[i] == expected[i] || nans) continue;
    if (wrong++ == 0) {
      first = "row " + std::to_string(static_cast<Index>(i) / width) + " column " +
              std::to_string(static_cast<Index>(i) % width) + ": found " +
              std::to_string(decode16(dtype, found[i])) + ", expected " +
              std::to_string(decode16(dtype, expected[i]));
    }
  }
  return wrong == 0 ? ""
                    : std::to_string(wrong) + " of " + std::to_string(found.size()) + " differ, " + first;
}

}  // namespace assay
