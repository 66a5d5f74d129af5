// exllama's product: instruction sets agree, rounding is single, and the seed orders what the hardware leaves
// to chance. Held to real bits in tests/silicon/exllama_test.cc.
#include "kernels/exllama.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "number/compare.h"
#include "number/float16.h"

namespace assay {
namespace {

using testing::HasSubstr;

struct Problem {
  IntegerMatrix w;
  std::vector<float> x;  // [rows, K]
};

Problem problem_of(Index rows, Index columns, Index inputs, Index group, std::uint32_t seed, int spread = 4) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(-1.0F, 1.0F);
  std::uniform_int_distribution<int> exponent(-spread, spread);
  std::vector<std::int8_t> integers;
  for (Index i = 0; i < inputs * columns; ++i)
    integers.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 32) - 16));
  std::vector<float> scales;
  for (Index i = 0; i < ceil_div(inputs, group) * columns; ++i)
    scales.push_back(round_to_fp16(std::ldexp(1.0F + std::abs(unit(random)), -7)));
  std::vector<float> x;
  for (Index i = 0; i < rows * inputs; ++i)
    x.push_back(round_to_fp16(std::ldexp(unit(random), exponent(random))));
  return {pack_integers(integers, scales, inputs, columns, group), std::move(x)};
}

// Rows `rows` of the problem's product.
std::vector<float> product(const Problem& p, RowRange rows, std::uint64_t noise, Isa isa = fastest_isa(),
                           int threads = 1) {
  ThreadPool pool(threads);
  const Compute compute{pool, ops_for(isa, Dtype::fp16), Device::a100};
  std::vector<float> out(static_cast<std::size_t>(rows.count * p.w.columns), NAN);
  exllama_product(compute, rows, p.x.data() + rows.first * p.w.rows, p.w, noise, out.data());
  return out;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) { return same_bits(x, y); });
}

TEST(Exllama, InstructionSetsAndThreadsChangeNoBit) {
  std::uint32_t seed = 0;
  for (const int spread : {2, 14, 24}) {  // up to infinite lanes, down to subnormal ones
    for (const Index columns : {8, 16, 40, 136, 1032}) {
      for (const auto& [inputs, group] : {std::pair{256, 128}, std::pair{160, 32}, std::pair{96, 96}}) {
        const Problem p = problem_of(9, columns, inputs, group, ++seed, spread);
        const auto expected = product(p, {0, 9}, 1, Isa::scalar);
        for (const Isa isa : available_isas())
          EXPECT_TRUE(same(product(p, {0, 9}, 1, isa, 2), expected)) << seed;
      }
    }
  }
}

// The block of one column: k, q, x.
float block_of(std::initializer_list<std::tuple<Index, int, float>> terms, Isa isa) {
  std::vector<std::int8_t> integers(32);
  Problem p{{}, std::vector<float>(32)};
  for (const auto& [k, q, x] : terms) {
    integers[static_cast<std::size_t>(k)] = static_cast<std::int8_t>(q);
    p.x[static_cast<std::size_t>(k)] = x;
  }
  p.w = pack_integers(integers, std::vector<float>{1.0F}, 32, 1, 32);
  return product(p, {0, 1}, 0, isa)[0];
}

TEST(Exllama, EachFusedAdditionRoundsOnce) {
  for (const Isa isa : available_isas()) {
    // 1025.5 - 2^-24 rounds to 1025; through FP32 it would be 1025.5, a tie, and 1026.
    EXPECT_EQ(block_of({{0, -1, 0x1p-24F}, {2, 7, 146.5F}}, isa), 1025.0F);
    EXPECT_EQ(block_of({{0, 1, 0x1p-24F}, {2, 7, -146.5F}}, isa), -1025.0F);
    EXPECT_EQ(block_of({{0, 1, 0x1p-24F}, {2, 7, 146.5F}}, isa), 1026.0F);
    EXPECT_EQ(block_of({{2, 7, 146.5F}}, isa), 1026.0F);  // the tie itself goes to even
    // 2048 - 2^-24, just below a power of two, whose lower neighbour in FP32 is odd and half as far.
    EXPECT_EQ(block_of({{0, -1, 0x1p-24F}, {2, 8, 256.0F}}, isa), 2048.0F);
  }
}

TEST(Exllama, LanesAreEvenAndOddAndStartAnewEveryEight) {
  for (const Isa isa : available_isas()) {
    // Within a lane 0.5 is lost beside 2048; across lanes and groups of 8 it is kept until the block's end.
    EXPECT_EQ(block_of({{0, 8, 256.0F}, {2, 1, 1.0F}, {4, 1, 1.0F}}, isa), 2048.0F);
    EXPECT_EQ(block_of({{0, 8, 256.0F}, {1, 1, 1.0F}, {3, 1, 1.0F}}, isa), 2050.0F);
    EXPECT_EQ(block_of({{0, 8, 256.0F}, {8, 1, 1.0F}, {16, 1, 1.0F}}, isa), 2050.0F);
  }
}

TEST(Exllama, TheSeedOrdersTheBlocks) {
  const Problem p = problem_of(1, 512, 1024, 128, 5);
  EXPECT_TRUE(same(product(p, {0, 1}, 7), product(p, {0, 1}, 7)));
  EXPECT_FALSE(same(product(p, {0, 1}, 7), product(p, {0, 1}, 8)));
  const Problem two = problem_of(1, 512, 256, 128, 5);
  for (std::uint64_t noise = 0; noise < 20; ++noise) {
    EXPECT_TRUE(same(product(two, {0, 1}, noise), product(two, {0, 1}, 0)));  // two blocks commute
  }
}

TEST(Exllama, ThreadBlocksHaveOrdersOfTheirOwn) {
  std::set<std::vector<Index>> orders;
  for (Index tile = 0; tile < 3; ++tile) {
    for (Index column = 0; column < 3; ++column) {
      const auto order = exllama_block_order(1, tile, column, 32);
      orders.insert(order);
      EXPECT_EQ(std::set<Index>(order.begin(), order.end()).size(), 32U);
    }
  }
  EXPECT_EQ(orders.size(), 9U);
  // Part of the meaning of a seed: recorded once, the same everywhere.
  EXPECT_THAT(exllama_block_order(0, 0, 0, 8), testing::ElementsAre(5, 3, 2, 1, 4, 7, 0, 6));
}

TEST(Exllama, ARowsBitsDependOnItsPlaceAndNotOnWhichRowsAreAskedFor) {
  const Problem p = problem_of(20, 64, 1024, 128, 3);
  const auto all = product(p, {0, 20}, 4);
  for (const RowRange rows : {RowRange{0, 3}, RowRange{3, 9}, RowRange{15, 5}, RowRange{8, 8}}) {
    const auto part = product(p, rows, 4);
    EXPECT_TRUE(same(part, {all.begin() + rows.first * 64, all.begin() + (rows.first + rows.count) * 64}));
  }
}

TEST(Exllama, RefusesWhatTheKernelDoesNotTake) {
  const LinearProblem good = {.rows = 1, .outputs = 512, .inputs = 256, .group_size = 128};
  EXPECT_TRUE(check_exllama(good).ok());
  const auto complaint = [&](auto change) {
    LinearProblem problem = good;
    change(problem);
    const auto checked = check_exllama(problem);
    return checked.ok() ? std::string("accepted") : checked.error().message();
  };
  EXPECT_THAT(complaint([](auto& p) { p.dtype = Dtype::bf16; }), HasSubstr("expected dtype float16"));
  EXPECT_THAT(complaint([](auto& p) { p.group_size = 0; }), HasSubstr("expected GPTQ weights"));
  EXPECT_THAT(complaint([](auto& p) { p.outputs = 516; }), HasSubstr("a multiple of 8, found 516"));
  EXPECT_THAT(complaint([](auto& p) { p.inputs = 264; }), HasSubstr("a multiple of 32, found 264"));
  EXPECT_THAT(complaint([](auto& p) { p.group_size = 96; }), HasSubstr("group_size 32, 64"));
  EXPECT_EQ(complaint([](auto& p) { p.group_size = p.inputs = 192; }), "accepted");
}

TEST(IntegerMatrix, ConcatenationPutsPanelsSideBySide) {
  const Problem a = problem_of(1, 32, 256, 128, 1);
  const Problem b = problem_of(1, 24, 256, 128, 2);
  const std::vector<IntegerMatrix> parts = {a.w, b.w};
  const Problem both{concatenate(parts), a.x};
  auto expected = product(a, {0, 1}, 0);
  const auto rest = product({b.w, a.x}, {0, 1}, 0);
  expected.insert(expected.end(), rest.begin(), rest.end());
  EXPECT_TRUE(same(product(both, {0, 1}, 0), expected));
  const std::vector<IntegerMatrix> inside = {b.w, a.w};
  EXPECT_THROW(concatenate(inside), Fault);
}

}  // namespace
}  // namespace assay
