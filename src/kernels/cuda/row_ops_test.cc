#include "kernels/cuda/row_ops.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>

#include "kernels/cuda/gpu_test.h"

namespace assay {
namespace {

using Bits = std::vector<std::uint16_t>;

// Finite numbers of every exponent of `dtype`, both zeros and subnormals among them.
Bits any16(Dtype dtype, Index count, unsigned seed) {
  std::mt19937 random(seed);
  Bits bits(static_cast<std::size_t>(count));
  for (std::uint16_t& b : bits) {
    do b = static_cast<std::uint16_t>(random());
    while (!std::isfinite(decode16(dtype, b)));
  }
  return bits;
}

// Every NaN as one NaN.
Bits with_one_nan(Dtype dtype, Bits bits) {
  for (std::uint16_t& b : bits)
    if (std::isnan(decode16(dtype, b))) b = 0x7fff;
  return bits;
}

// The first places that differ, with their bits.
std::string differences(const Bits& found, const Bits& expected, Index columns) {
  if (found.size() != expected.size()) return "sizes differ";
  std::string text;
  std::size_t count = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] == expected[i] || ++count > 4) continue;
    const auto c = static_cast<std::size_t>(columns);
    char place[96];
    std::snprintf(place, sizeof place, "[%zu, %zu] is %04x, not %04x; ", i / c, i % c, found[i], expected[i]);
    text += place;
  }
  return count == 0 ? "" : text + std::to_string(count) + " in all";
}

class RowOps : public testing::TestWithParam<Dtype> {
 protected:
  const Ops& ops() const { return ops_for(fastest_isa(), GetParam()); }
  void expect_equal(const DeviceBuffer<std::uint16_t>& found, const Bits& expected, Index columns,
                    const std::string& what) const {
    EXPECT_EQ(
        differences(with_one_nan(GetParam(), downloaded(found)), with_one_nan(GetParam(), expected), columns),
        "")
        << what;
  }
  Bits norm(const Bits& x, const Bits& weight, float eps) const {
    const std::vector<float> w = decoded(GetParam(), weight);
    std::vector<float> rows = decoded(GetParam(), x);
    for (std::size_t i = 0; i < rows.size(); i += w.size())
      ops().rms_norm(rows.data() + i, w.data(), static_cast<Index>(w.size()), eps, rows.data() + i);
    return encoded(GetParam(), rows);
  }
};

std::string shape(Index rows, Index n) { return std::to_string(rows) + " x " + std::to_string(n); }

TEST_P(RowOps, RmsNormIsTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  for (const Index n : {8, 72, 256, 1024, 4096, 12288, 16384}) {
    for (const Index rows : {1, 3, 129}) {
      const Bits weight = random16(GetParam(), n, 1.0F, 1);
      const auto w = uploaded(weight);
      for (const float deviation : {2.0F, 1e-6F}) {  // small: eps matters
        const Bits x = random16(GetParam(), rows * n, deviation, 2);
        auto in = uploaded(x);
        auto out = poisoned<std::uint16_t>(rows * n);
        rms_norm(GetParam(), in.data(), w.data(), rows, n, 1e-6F, out.data(), nullptr);
        expect_equal(out, norm(x, weight, 1e-6F), n, shape(rows, n));
        rms_norm(GetParam(), in.data(), w.data(), rows, n, 1e-6F, in.data(), nullptr);
        expect_equal(in, norm(x, weight, 1e-6F), n, shape(rows, n) + " in place");
      }
    }
  }
  EXPECT_THROW(rms_norm(GetParam(), nullptr, nullptr, 1, 16392, 1e-6F, nullptr, nullptr), std::logic_error);
}

TEST_P(RowOps, RmsNormOfEveryExponentIsTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  constexpr Index kRows = 64;
  constexpr Index kColumns = 256;
  const Bits x = any16(GetParam(), kRows * kColumns, 3);
  const Bits weight = any16(GetParam(), kColumns, 4);
  auto out = poisoned<std::uint16_t>(kRows * kColumns);
  rms_norm(GetParam(), uploaded(x).data(), uploaded(weight).data(), kRows, kColumns, 1e-5F, out.data(),
           nullptr);
  expect_equal(out, norm(x, weight, 1e-5F), kColumns, "");
}

TEST_P(RowOps, AddRmsNormAddsThenNorms) {
  ASSAY_NEEDS_GPU(80);
  for (const Index n : {256, 1024, 4096, 12288}) {
    for (const Index rows : {1, 3, 129}) {
      const Bits update = random16(GetParam(), rows * n, 0.3F, 5);
      const Bits residual = random16(GetParam(), rows * n, 3.0F, 6);
      const Bits weight = random16(GetParam(), n, 1.0F, 7);
      std::vector<float> sum = decoded(GetParam(), residual);
      ops().add(decoded(GetParam(), update).data(), sum.data(), rows * n, sum.data());
      auto x = uploaded(residual);
      auto out = poisoned<std::uint16_t>(rows * n);
      add_rms_norm(GetParam(), uploaded(update).data(), x.data(), uploaded(weight).data(), rows, n, 1e-6F,
                   out.data(), nullptr);
      expect_equal(x, encoded(GetParam(), sum), n, shape(rows, n) + " residual");
      expect_equal(out, norm(encoded(GetParam(), sum), weight, 1e-6F), n, shape(rows, n));
    }
  }
}

TEST_P(RowOps, SiluMulOfEveryGateIsTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  constexpr Index kInner = 65536;
  for (const float deviation : {1.0F, 100.0F}) {
    Bits gate(kInner);
    std::iota(gate.begin(), gate.end(), std::uint16_t{0});
    const Bits up = random16(GetParam(), kInner, deviation, 8);
    std::vector<float> expected(kInner);
    ops().silu_mul(decoded(GetParam(), gate).data(), decoded(GetParam(), up).data(), kInner, expected.data());
    gate.insert(gate.end(), up.begin(), up.end());
    auto out = poisoned<std::uint16_t>(kInner);
    silu_mul(GetParam(), uploaded(gate).data(), 1, kInner, out.data(), nullptr);
    expect_equal(out, encoded(GetParam(), expected), kInner, std::to_string(deviation));
  }
}

TEST_P(RowOps, SiluMulOfRowsIsTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  for (const Index inner : {8, 1024, 12288}) {
    for (const Index rows : {1, 3, 129}) {
      const Bits gate_up = random16(GetParam(), rows * 2 * inner, 2.0F, 9);
      const std::vector<float> in = decoded(GetParam(), gate_up);
      std::vector<float> expected(static_cast<std::size_t>(rows * inner));
      for (Index row = 0; row < rows; ++row) {
        const float* gate = in.data() + row * 2 * inner;
        ops().silu_mul(gate, gate + inner, inner, expected.data() + row * inner);
      }
      auto out = poisoned<std::uint16_t>(rows * inner);
      silu_mul(GetParam(), uploaded(gate_up).data(), rows, inner, out.data(), nullptr);
      expect_equal(out, encoded(GetParam(), expected), inner, shape(rows, inner));
    }
  }
}

struct Heads {
  Index heads, kv_heads, dim, rows;
  bool norms;
};

// Rows out of order of position, into slots that are not the positions.
TEST_P(RowOps, RotateAndStoreIsTheCpuS) {
  ASSAY_NEEDS_GPU(80);
  constexpr Index kPositions = 400;
  for (const Heads& h : {Heads{32, 8, 128, 3, true}, Heads{32, 8, 128, 300, true},
                         Heads{4, 2, 64, 129, false}, Heads{4, 2, 64, 1, true}, Heads{1, 1, 128, 1, false},
                         Heads{3, 1, 80, 5, true}, Heads{2, 2, 256, 257, true}, Heads{2, 1, 16, 3, true}}) {
    const Index total = h.heads + 2 * h.kv_heads;
    const Bits qkv = random16(GetParam(), h.rows * total * h.dim, 2.0F, 10);
    const Bits query_norm = random16(GetParam(), h.dim, 1.0F, 11);
    const Bits key_norm = random16(GetParam(), h.dim, 1.0F, 12);
    const std::vector<float> cosine =
        decoded(GetParam(), random16(GetParam(), kPositions * h.dim / 2, 0.5F, 13));
    const std::vector<float> sine =
        decoded(GetParam(), random16(GetParam(), kPositions * h.dim / 2, 0.5F, 14));
    std::vector<std::int32_t> positions(static_cast<std::size_t>(h.rows));
    std::vector<std::int32_t> slots(positions.size());
    for (std::size_t row = 0; row < positions.size(); ++row) {
      positions[row] = static_cast<std::int32_t>(kPositions - 1 - row);
      slots[row] = static_cast<std::int32_t>((row * 7 + 3) % kPositions);
    }
    const auto size = static_cast<std::size_t>(h.kv_heads * kPositions * h.dim);
    Bits keys(size, 0xffff);
    Bits values(size, 0xffff);
    std::vector<float> expected = decoded(GetParam(), qkv);
    for (Index row = 0; row < h.rows; ++row) {
      const auto at = static_cast<std::size_t>(row);
      for (Index head = 0; head < total; ++head) {
        float* x = expected.data() + (row * total + head) * h.dim;
        if (head < h.heads + h.kv_heads) {
          const std::vector<float> weight = decoded(GetParam(), head < h.heads ? query_norm : key_norm);
          if (h.norms) ops().rms_norm(x, weight.data(), h.dim, 1e-6F, x);
          const Index angle = positions[at] * (h.dim / 2);
          ops().rope(x, cosine.data() + angle, sine.data() + angle, h.dim / 2);
        }
        if (head < h.heads) continue;
        const bool is_key = head < h.heads + h.kv_heads;
        const Index kv_head = head - h.heads - (is_key ? 0 : h.kv_heads);
        for (Index i = 0; i < h.dim; ++i) {
          (is_key ? keys : values)[static_cast<std::size_t>((kv_head * kPositions + slots[at]) * h.dim + i)] =
              encode16(GetParam(), x[i]);
        }
      }
    }
    auto in = uploaded(qkv);
    auto device_keys = poisoned<std::uint16_t>(static_cast<Index>(size));
    auto device_values = poisoned<std::uint16_t>(static_cast<Index>(size));
    const auto device_query_norm = uploaded(query_norm);
    const auto device_key_norm = uploaded(key_norm);
    const auto device_cosine = uploaded(cosine);
    const auto device_sine = uploaded(sine);
    const auto device_positions = uploaded(positions);
    const auto device_slots = uploaded(slots);
    const Rotation rotation{h.heads,
                            h.norms ? device_query_norm.data() : nullptr,
                            h.norms ? device_key_norm.data() : nullptr,
                            1e-6F,
                            device_cosine.data(),
                            device_sine.data(),
                            device_positions.data(),
                            device_slots.data()};
    rotate_and_store(GetParam(), rotation, in.data(), h.rows,
                     {device_keys.data(), device_values.data(), h.kv_heads, kPositions, h.dim}, nullptr);
    const std::string what = shape(h.rows, total) + " x " + std::to_string(h.dim);
    expect_equal(in, encoded(GetParam(), expected), total * h.dim, what + " qkv");
    expect_equal(device_keys, keys, h.dim, what + " keys");  // the rest is untouched
    expect_equal(device_values, values, h.dim, what + " values");
  }
}

TEST_P(RowOps, ColumnsAreScaledAndAdded) {
  ASSAY_NEEDS_GPU(80);
  for (const Index n : {8, 256, 6144}) {
    for (const Index rows : {1, 3, 129}) {
      const Bits x = random16(GetParam(), rows * n, 2.0F, 15);
      const Bits column = random16(GetParam(), n, 1.0F, 16);
      const std::vector<float> c = decoded(GetParam(), column);
      std::vector<float> product = decoded(GetParam(), x);
      std::vector<float> sum = product;
      for (Index row = 0; row < rows; ++row) {
        ops().multiply(product.data() + row * n, c.data(), n, product.data() + row * n);
        ops().add(sum.data() + row * n, c.data(), n, sum.data() + row * n);
      }
      auto scaled = uploaded(x);
      scale_columns(GetParam(), uploaded(column).data(), rows, n, scaled.data(), nullptr);
      expect_equal(scaled, encoded(GetParam(), product), n, shape(rows, n) + " scaled");
      auto added = uploaded(x);
      add_columns(GetParam(), uploaded(column).data(), rows, n, added.data(), nullptr);
      expect_equal(added, encoded(GetParam(), sum), n, shape(rows, n) + " added");
    }
  }
}

TEST_P(RowOps, ColumnsAreGatheredAndRowsEmbedded) {
  ASSAY_NEEDS_GPU(80);
  for (const Index n : {8, 256, 12288}) {
    for (const Index rows : {1, 3, 129}) {
      constexpr Index kTokens = 50;
      const Bits table = any16(GetParam(), kTokens * n, 17);
      std::vector<std::int32_t> order(static_cast<std::size_t>(n));
      std::iota(order.begin(), order.end(), 0);
      std::mt19937 random(18);
      std::shuffle(order.begin(), order.end(), random);
      std::vector<std::int32_t> tokens;
      for (Index row = 0; row < rows; ++row) tokens.push_back(static_cast<std::int32_t>(random() % kTokens));
      tokens.front() = kTokens - 1;
      Bits embedded;
      Bits gathered;
      for (const std::int32_t token : tokens) {
        const auto first = table.begin() + token * n;
        embedded.insert(embedded.end(), first, first + n);
        for (const std::int32_t k : order) gathered.push_back(first[k]);
      }
      auto x = poisoned<std::uint16_t>(rows * n);
      auto out = poisoned<std::uint16_t>(rows * n);
      embed(GetParam(), uploaded(tokens).data(), rows, n, uploaded(table).data(), x.data(), nullptr);
      gather_columns(x.data(), uploaded(order).data(), rows, n, out.data(), nullptr);
      EXPECT_EQ(differences(downloaded(x), embedded, n), "") << shape(rows, n);
      EXPECT_EQ(differences(downloaded(out), gathered, n), "") << shape(rows, n);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RowOps, testing::Values(Dtype::fp16, Dtype::bf16),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace assay
