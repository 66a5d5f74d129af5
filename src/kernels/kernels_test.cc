// Every instruction set gives the bits of the reference, for every op, at all lengths around the vector
// widths and at misaligned addresses; every device and weight type of the chain.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "base/error.h"
#include "kernels/ops.h"
#include "kernels/packed_matrix.h"
#include "number/float16.h"

namespace assay {
namespace {

using Values = std::vector<float>;

// Activation-like values over many binades, zeros and subnormals of FP16 among them.
Values random_values(Index n, std::uint32_t seed, Dtype dtype, int spread = 12) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(-1.0F, 1.0F);
  std::uniform_int_distribution<int> exponent(-spread, spread / 2);
  Values values(static_cast<std::size_t>(n));
  for (float& value : values) {
    const float x = random() % 16 == 0 ? 0.0F : std::ldexp(unit(random), exponent(random));
    value = dtype == Dtype::fp16 ? round_to_fp16(x) : round_to_bf16(x);
  }
  return values;
}

std::vector<std::uint16_t> random_halves(Index n, std::uint32_t seed, Dtype dtype) {
  std::vector<std::uint16_t> halves;
  for (float x : random_values(n, seed, dtype))
    halves.push_back(dtype == Dtype::fp16 ? to_fp16(x) : to_bf16(x));
  return halves;
}

void expect_same_bits(const Values& actual, const Values& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(actual[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << ": element " << i << ": " << actual[i] << " against " << expected[i];
  }
}

// Runs `body(ops, offset)` -> Values for the reference and each vector instruction set at three
// misalignments.
template <class Body>
void compare_all(const std::string& what, Body body) {
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    const Values expected = body(ops_for(Isa::scalar, dtype), Index{0});
    for (const Isa isa : available_isas()) {
      for (const Index offset : {0, 1, 3}) {
        expect_same_bits(body(ops_for(isa, dtype), offset), expected, what + " " + std::string(name_of(isa)));
      }
    }
  }
}

// `values` placed `offset` floats into a buffer, so that the ops see that misalignment.
struct Placed {
  Placed(const Values& source, Index start) : buffer(source.size() + 3), offset(start) {
    std::copy(source.begin(), source.end(), buffer.begin() + start);
  }
  float* data() { return buffer.data() + offset; }
  Values values() const { return {buffer.begin() + offset, buffer.end() - 3 + offset}; }
  Values buffer;
  Index offset;
};

const Index kLengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 100, 128, 256, 300};

TEST(Kernels, TheTableIsTheOneAskedFor) {
  for (const Isa isa : available_isas()) {
    EXPECT_EQ(ops_for(isa, Dtype::fp16).isa, isa);
    EXPECT_EQ(ops_for(isa, Dtype::bf16).dtype, Dtype::bf16);
    EXPECT_EQ(isa_named(name_of(isa)), isa);
  }
  EXPECT_EQ(isa_named("sse9"), std::nullopt);
  EXPECT_THROW(ops_for(Isa::scalar, Dtype::fp32), Fault);
}

TEST(Kernels, ElementwiseOpsAgree) {
  for (const Index n : kLengths) {
    compare_all("round", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, Dtype::bf16, 40), offset);
      ops.round(x.data(), n, x.data());
      return x.values();
    });
    compare_all("add", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      Placed y(random_values(n, 2, ops.dtype), offset);
      ops.add(x.data(), y.data(), n, y.data());
      return y.values();
    });
    compare_all("silu_mul", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype, 14), offset);
      Placed y(random_values(n, 2, ops.dtype), offset);
      ops.silu_mul(x.data(), y.data(), n, x.data());
      return x.values();
    });
    compare_all("accumulate", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      Placed sum(random_values(n, 2, ops.dtype), offset);
      ops.accumulate(x.data(), n, sum.data());
      return sum.values();
    });
    compare_all("multiply", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      Placed y(random_values(n, 2, ops.dtype), offset);
      ops.multiply(x.data(), y.data(), n, y.data());
      return y.values();
    });
    compare_all("scale", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      ops.scale(x.data(), n, 0.3F);
      return x.values();
    });
    compare_all("rope", [n](const Ops& ops, Index offset) {
      Placed x(random_values(2 * n, 1, ops.dtype), offset);
      Placed c(random_values(n, 2, ops.dtype), offset);
      Placed s(random_values(n, 3, ops.dtype), offset);
      ops.rope(x.data(), c.data(), s.data(), n);
      return x.values();
    });
  }
}

TEST(Kernels, RowReductionsAgree) {
  for (const Index n : kLengths) {
    compare_all("rms_norm", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      Placed w(random_values(n, 2, ops.dtype), offset);
      ops.rms_norm(x.data(), w.data(), n, 1e-6F, x.data());
      return x.values();
    });
    compare_all("softmax_tile", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      Values lanes(16, 0.0F);
      float m = -INFINITY;
      const float first = ops.softmax_tile(x.data(), n, 0.125F, &m, lanes.data());
      Placed y(random_values(n, 2, ops.dtype), offset);
      const float second = ops.softmax_tile(y.data(), n, 0.125F, &m, lanes.data());
      ops.normalize(x.data(), n, lanes.data(), x.data());
      Values all = x.values();
      for (const float value : y.values()) all.push_back(value);
      all.insert(all.end(), lanes.begin(), lanes.end());
      all.insert(all.end(), {first, second, m});
      return all;
    });
    compare_all("log_sum_exp", [n](const Ops& ops, Index offset) {
      Placed x(random_values(n, 1, ops.dtype), offset);
      const LogSumExp result = ops.log_sum_exp(x.data(), n);
      return Values{result.max, result.log_sum};
    });
  }
}

TEST(Kernels, ChainsAgreeForEveryTileAndTail) {
  const Index k = 67;
  for (const Family family : {Family::ieee, Family::exact, Family::ampere, Family::hopper}) {
    for (const Dtype weights : {Dtype::fp16, Dtype::bf16}) {
      for (const Index columns : {1, 15, 16, 17, 33, 64, 130, 300}) {
        const PackedMatrix w = pack_rows(random_halves(k * columns, 5, weights), k, columns, weights);
        for (const Index rows : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 23, 25}) {
          for (const bool accumulate : {false, true}) {
            Values expected;
            for (const Isa isa : available_isas()) {
              const Values a = random_values(rows * k, 6, weights);
              Values c = random_values(rows * (columns + 2), 7, Dtype::fp16);
              ops_for(isa, Dtype::fp16)
                  .chain(family, weights,
                         {a.data(),
                          k,
                          rows,
                          w.panels.data(),
                          w.panel_stride(),
                          columns,
                          {.run = k},
                          c.data(),
                          columns + 2,
                          accumulate});
              if (expected.empty()) expected = c;  // the reference comes first
              expect_same_bits(c, expected, "chain");
            }
          }
        }
      }
    }
  }
}

// The order is part of the meaning: the chain of 1, 2^-24 (many times) loses every small term in FP32 one by
// one, and keeps them in the wide accumulator.
TEST(Kernels, FamiliesDifferWhereTheOrderSaysSo) {
  const Index k = 1025;
  std::vector<std::uint16_t> ones(static_cast<std::size_t>(k), to_fp16(1.0F));
  const PackedMatrix w = pack_rows(ones, k, 1, Dtype::fp16);
  Values a(static_cast<std::size_t>(k), 0x1p-24F);
  a[0] = 1.0F;
  for (const Isa isa : available_isas()) {
    for (const Family family : {Family::ieee, Family::exact}) {
      float c = 0.0F;
      ops_for(isa, Dtype::fp16)
          .chain(family, Dtype::fp16,
                 {a.data(), k, 1, w.panels.data(), w.panel_stride(), 1, {.run = k}, &c, 1, false});
      EXPECT_EQ(c, family == Family::ieee ? 1.0F : 1.0F + 0x1p-14F);
    }
  }
}

TEST(PackedMatrix, BothSourceOrdersAndConcatenationGiveTheSamePanels) {
  const Index k = 5;
  const Index n = 32;
  const auto values = random_halves(k * n, 9, Dtype::fp16);
  std::vector<std::uint16_t> transposed(values.size());
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j < n; ++j)
      transposed[static_cast<std::size_t>(j * k + i)] = values[static_cast<std::size_t>(i * n + j)];
  }
  const PackedMatrix a = pack_rows(values, k, n, Dtype::fp16);
  EXPECT_EQ(a.panels, pack_transposed(transposed, k, n, Dtype::fp16).panels);
  const PackedMatrix twice[] = {a, a};
  const PackedMatrix joined = concatenate(twice);
  EXPECT_EQ(joined.columns, 64);
  EXPECT_EQ(joined.panel(3)[0], a.panel(1)[0]);
}

}  // namespace
}  // namespace assay
