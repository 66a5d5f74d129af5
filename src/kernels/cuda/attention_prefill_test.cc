// attention_prefill against kernels/attention.h under Hopper's arithmetic: the same bits.
#include <cmath>
#include <cstdlib>

#include "kernels/attention.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/exp_of_nonpositive.h"
#include "kernels/cuda/gpu_test.h"

namespace assay {
namespace {

using Bits = std::vector<std::uint16_t>;

struct Shape {
  Dtype dtype;
  Index rows;
  Index first_position;
  Index heads;
  Index kv_heads;
  Index head_dim;
  float deviation = 1.0F;  // of queries and keys
};

// Queries among other columns, as in a row of qkv; keys and values in a larger cache whose other slots hold NaN.
struct Problem {
  explicit Problem(const Shape& s)
      : shape(s),
        keys_seen(s.first_position + s.rows),
        q_stride((s.heads + 2 * s.kv_heads) * s.head_dim),
        capacity(keys_seen + 37),
        q(random16(s.dtype, s.rows * q_stride, s.deviation, 1)),
        keys(cache(random16(s.dtype, s.kv_heads * keys_seen * s.head_dim, s.deviation, 2))),
        values(cache(random16(s.dtype, s.kv_heads * keys_seen * s.head_dim, 1.0F, 3))) {}

  Bits cache(const Bits& numbers) const {
    const Index run = keys_seen * shape.head_dim;
    Bits slots(static_cast<std::size_t>(shape.kv_heads * capacity * shape.head_dim), 0xffff);
    for (Index h = 0; h < shape.kv_heads; ++h) {
      std::copy_n(numbers.begin() + h * run, run, slots.begin() + h * capacity * shape.head_dim);
    }
    return slots;
  }

  Shape shape;
  Index keys_seen, q_stride, capacity;
  Bits q, keys, values;
};

Bits on_gpu(const Problem& p) {
  const Shape& s = p.shape;
  const auto q = uploaded(p.q);
  const auto keys = uploaded(p.keys);
  const auto values = uploaded(p.values);
  const auto out = poisoned<std::uint16_t>(s.rows * s.heads * s.head_dim);
  const AttentionCall call = {.dtype = s.dtype,
                              .q = q.data(),
                              .q_stride = p.q_stride,
                              .rows = s.rows,
                              .heads = s.heads,
                              .kv = {keys.data(), values.data(), s.kv_heads, p.capacity, s.head_dim},
                              .out = out.data()};
  EXPECT_TRUE(supports_attention_prefill(call));
  attention_prefill(call, s.first_position, nullptr);
  return downloaded(out);
}

// The last `rows` rows of `heads` heads from `head` on, all of one kv head: [rows, heads, D].
Bits on_cpu(const Problem& p, Index rows, Index head, Index heads) {
  const Shape& s = p.shape;
  const Index kv_head = head * s.kv_heads / s.heads;
  KvCache cache(1, s.head_dim, p.keys_seen, s.dtype);
  const auto first = static_cast<std::ptrdiff_t>(kv_head * p.capacity * s.head_dim);
  const auto length = static_cast<std::ptrdiff_t>(p.keys_seen * s.head_dim);
  const auto of_head = [&](const Bits& bits) {
    return decoded(s.dtype, Bits(bits.begin() + first, bits.begin() + first + length));
  };
  const std::vector<float> keys = of_head(p.keys);
  const std::vector<float> values = of_head(p.values);
  for (Index t = 0; t < p.keys_seen; ++t) {
    cache.store(t, 0, keys.data() + t * s.head_dim, values.data() + t * s.head_dim);
  }
  static ThreadPool pool(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  const std::vector<float> q = decoded(s.dtype, p.q);
  std::vector<float> out(static_cast<std::size_t>(rows * heads * s.head_dim));
  attention({pool, ops_for(fastest_isa(), s.dtype), Device::h100},
            q.data() + (s.rows - rows) * p.q_stride + head * s.head_dim, p.q_stride, rows,
            s.first_position + s.rows - rows, heads, cache, out.data());
  return encoded(s.dtype, out);
}

// Those of all the rows and heads on the GPU, as on_cpu.
Bits part(const Problem& p, const Bits& all, Index rows, Index head, Index heads) {
  Bits found;
  for (Index r = p.shape.rows - rows; r < p.shape.rows; ++r) {
    const auto at = all.begin() + (r * p.shape.heads + head) * p.shape.head_dim;
    found.insert(found.end(), at, at + heads * p.shape.head_dim);
  }
  return found;
}

void expect_same(const Problem& p, const Bits& all, Index rows, Index head, Index heads) {
  const Shape& s = p.shape;
  const Bits expected = on_cpu(p, rows, head, heads);
  const Bits found = part(p, all, rows, head, heads);
  std::size_t first = found.size();
  std::size_t count = 0;
  for (std::size_t i = found.size(); i-- > 0;) {
    if (found[i] == expected[i]) continue;
    first = i;
    ++count;
  }
  if (count == 0) return;
  const auto d = static_cast<std::size_t>(s.head_dim);
  const auto width = static_cast<std::size_t>(heads) * d;
  ADD_FAILURE() << "dtype " << static_cast<int>(s.dtype) << " rows " << s.rows << " first position "
                << s.first_position << " heads " << s.heads << "/" << s.kv_heads << " D " << d
                << " deviation " << s.deviation << ": " << count << " of " << found.size()
                << " differ, first at row " << static_cast<std::size_t>(s.rows - rows) + first / width
                << " head " << static_cast<std::size_t>(head) + first % width / d << " column " << first % d
                << std::hex << ": found " << found[first] << ", expected " << expected[first];
}

void expect_same(const Problem& p) {
  const Bits all = on_gpu(p);
  const Index group = p.shape.heads / p.shape.kv_heads;
  for (Index head = 0; head < p.shape.heads; head += group) expect_same(p, all, p.shape.rows, head, group);
}

TEST(ExpOfNonpositive, IsPortableExpThere) {
  // ASSAY_SWEEP=1 visits every float of that sign.
  const std::uint32_t stride = std::getenv("ASSAY_SWEEP") != nullptr ? 1 : 1021;
  const auto check = [](float x) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(exp_of_nonpositive(x)),
              std::bit_cast<std::uint32_t>(portable_exp(x)))
        << x;
  };
  for (std::uint32_t bits = 0x80000000U; bits < 0xff800000U; bits += stride)
    check(std::bit_cast<float>(bits));
  check(0.0F);
  check(-INFINITY);
}

TEST(AttentionPrefill, EdgesOfRowsAndPositions) {
  ASSAY_NEEDS_GPU(90);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    for (const Index head_dim : {64, 128}) {
      for (const Index rows : {1, 63, 64, 65, 200}) {
        for (const Index first_position : {0, 5, 64, 130}) {
          expect_same(Problem({dtype, rows, first_position, 4, 2, head_dim}));
        }
      }
    }
  }
}

TEST(AttentionPrefill, GroupsOfHeads) {
  ASSAY_NEEDS_GPU(90);
  for (const Index kv_heads : {1, 2, 8}) expect_same(Problem({Dtype::fp16, 130, 7, 8, kv_heads, 128}));
  expect_same(Problem({Dtype::bf16, 100, 30, 6, 2, 64}));
  // More units than multiprocessors: two and three consumers a block.
  expect_same(Problem({Dtype::fp16, 150, 0, 64, 8, 64}));
  expect_same(Problem({Dtype::fp16, 340, 0, 64, 4, 64}));
}

TEST(AttentionPrefill, PeakedAndFlatScores) {
  ASSAY_NEEDS_GPU(90);
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    for (const float deviation : {0.0F, 0.01F, 3.0F, 30.0F}) {  // equal keys ... exp underflows
      for (const Index head_dim : {64, 128})
        expect_same(Problem({dtype, 150, 70, 4, 2, head_dim, deviation}));
    }
  }
}

TEST(AttentionPrefill, LongRowsAndRepeatedRuns) {
  ASSAY_NEEDS_GPU(90);
  const Problem few({Dtype::fp16, 100, 8067, 32, 8, 128});
  expect_same(few, on_gpu(few), 48, 30, 2);
  const Problem many({Dtype::fp16, 8167, 0, 32, 8, 128});
  const Bits all = on_gpu(many);
  EXPECT_EQ(all, on_gpu(many));
  expect_same(many, all, 48, 5, 2);
}

}  // namespace
}  // namespace assay
