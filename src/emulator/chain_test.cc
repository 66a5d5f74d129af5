// Every vector form of the chains against the scalar model, bit for bit. ASSAY_SWEEP=1 runs hundreds of
// millions of steps; without it a seeded slice runs.
#include "emulator/chain.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "emulator/reference_chain.h"
#include "emulator/test_numbers.h"
#include "number/compare.h"

namespace assay {
namespace {

struct Shape {
  Index rows;
  Index columns;
  Walk walk;
};

struct Case {
  Family family;
  Dtype dtype;
  Inputs inputs;
  Accumulator accumulator = Accumulator::fp32;
};

std::string describe(const Case& c) {
  return std::string(name_of(c.family)) + " " + std::string(name_of(c.dtype)) + " inputs " +
         std::to_string(static_cast<int>(c.inputs)) +
         (c.accumulator == Accumulator::fp16 ? " into fp16" : "");
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Family family : {Family::volta, Family::turing, Family::ampere, Family::hopper}) {
    for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
      if (!dot_arithmetic(family, operand_of(dtype))) continue;
      for (const Inputs inputs : kAllInputs) {
        cases.push_back({family, dtype, inputs});
        if (dtype == Dtype::fp16) cases.push_back({family, dtype, inputs, Accumulator::fp16});
      }
    }
  }
  return cases;
}

struct Compared {
  Index steps = 0;
  Index by_vectors = 0;  // blocks
  Index by_model = 0;
};

// Runs one random problem on every instruction set and adds to what was compared.
void compare(const Case& c, const Shape& shape, std::uint32_t seed, Compared& compared) {
  std::mt19937 random(seed);
  const Index k = shape.walk.first + (shape.walk.count - 1) * shape.walk.stride + shape.walk.run;
  const Index padded = ceil_div(shape.columns, kPanelColumns) * kPanelColumns;
  const auto halves = random_operands(c.inputs, c.dtype, shape.rows * k, random);
  std::vector<float> a;
  for (const std::uint16_t bits : halves) a.push_back(decode_half(c.dtype, bits));
  const auto panels = random_operands(c.inputs, c.dtype, padded * k, random);
  auto start = random_accumulators(c.inputs, seed % 2 == 0, shape.rows * shape.columns, random);
  if (c.accumulator == Accumulator::fp16) {
    for (float& x : start) x = round_to_fp16(x);
  }

  const auto run = [&](bool accumulate, auto body) {
    std::vector<float> out = start;
    body(Chain{a.data(), k, shape.rows, panels.data(), k * kPanelColumns, shape.columns, shape.walk,
               out.data(), shape.columns, accumulate, c.accumulator});
    return out;
  };
  const DotArithmetic arithmetic = *dot_arithmetic(c.family, operand_of(c.dtype), c.accumulator);
  for (const bool accumulate : {true, false}) {
    const auto expected = run(accumulate, [&](const Chain& t) { reference_chain(arithmetic, c.dtype, t); });
    for (const Isa isa : available_isas()) {
      if (isa == Isa::scalar) continue;
      const auto actual = run(accumulate, [&](const Chain& t) {
        const ChainBlocks blocks = emulate_chain(isa, c.family, c.dtype, t);
        EXPECT_EQ(blocks.isa, isa);
        compared.by_vectors += blocks.by_vectors;
        compared.by_model += blocks.by_model;
      });
      for (std::size_t i = 0; i < actual.size(); ++i) {
        if (same_bits(actual[i], expected[i])) continue;
        ADD_FAILURE() << describe(c) << " " << name_of(isa) << " seed " << seed << " row "
                      << i / static_cast<std::size_t>(shape.columns) << " column "
                      << i % static_cast<std::size_t>(shape.columns) << ": " << actual[i] << " for "
                      << expected[i];
        return;
      }
    }
  }
  compared.steps +=
      2 * shape.rows * shape.columns * shape.walk.count * ceil_div(shape.walk.run, arithmetic.products);
}

TEST(EmulateChain, IsTheScalarModel) {
  const bool sweep = std::getenv("ASSAY_SWEEP") != nullptr;
  const Index wanted = sweep ? Index{4'000'000} : Index{25'000};  // of each case
  Compared total;
  for (const Case& c : all_cases()) {
    // One step at a time keeps extremes of one output from hiding in later sums; longer walks reach states
    // that a single step does not; single outputs keep one extreme from sending a whole block to the model.
    Compared compared;
    const Index products = dot_arithmetic(c.family, operand_of(c.dtype))->products;
    for (std::uint32_t seed = 1; compared.steps < wanted && !HasFailure(); ++seed) {
      compare(c, {16, 64, {.run = products}}, seed, compared);
      compare(c, {3, 64, {.run = 64}}, seed, compared);
      for (std::uint32_t single = 0; single < 8; ++single) {
        compare(c, {1, 1, {.run = products}}, 8 * seed + single, compared);
      }
    }
    total.steps += compared.steps;
    total.by_vectors += compared.by_vectors;
    total.by_model += compared.by_model;
    // Kinds that the vectors must take: nothing in them is out of range where c starts within it.
    if (c.inputs == Inputs::normal || c.inputs == Inputs::cancelling || c.inputs == Inputs::moderate) {
      EXPECT_GT(compared.by_vectors, compared.by_model) << describe(c);
    }
    const Index least_by_model = c.inputs == Inputs::special ? 1 : 0;
    EXPECT_GE(compared.by_model, least_by_model) << describe(c);
  }
  EXPECT_GT(total.by_vectors, total.by_model);
  RecordProperty("steps", std::to_string(total.steps));
  RecordProperty("blocks_by_vectors", std::to_string(total.by_vectors));
  RecordProperty("blocks_by_model", std::to_string(total.by_model));
}

TEST(EmulateChain, EveryTileAndTail) {
  for (const Family family : {Family::volta, Family::ampere, Family::hopper}) {
    for (const Inputs inputs : {Inputs::normal, Inputs::special}) {
      std::uint32_t seed = 100;
      Compared compared;
      for (const Index rows : {1, 63, 65}) {
        for (const Index columns : {1, 15, 16, 17, 48, 130}) {
          for (const Accumulator accumulator : {Accumulator::fp32, Accumulator::fp16}) {
            compare({family, Dtype::fp16, inputs, accumulator}, {rows, columns, {.run = 37}}, ++seed,
                    compared);
          }
        }
      }
    }
  }
}

TEST(EmulateChain, WalksVisitTheirRunsInOrder) {
  for (const Walk walk : {Walk{16, 16, 64, 3}, Walk{0, 32, 256, 2}, Walk{5, 7, 9, 4}, Walk{0, 0, 0, 1}}) {
    Compared compared;
    compare({Family::hopper, Dtype::fp16, Inputs::normal}, {2, 20, walk}, 7, compared);
  }
  // Order matters: the same runs in another order give other bits somewhere.
  std::mt19937 random(5);
  std::vector<float> a;
  for (const auto bits : random_operands(Inputs::normal, Dtype::fp16, 64 * 64, random))
    a.push_back(from_fp16(bits));
  const auto panels = random_operands(Inputs::normal, Dtype::fp16, 64 * 64, random);
  const auto run = [&](Walk walk) {
    std::vector<float> out(64 * 64);
    emulate_chain(fastest_isa(), Family::hopper, Dtype::fp16,
                  {a.data(), 64, 64, panels.data(), 64 * 16, 64, walk, out.data(), 64, false});
    return out;
  };
  EXPECT_NE(run({0, 16, 16, 4}), run({48, 16, -16, 4}));
  EXPECT_EQ(run({0, 16, 16, 4}), run({.run = 64}));
}

// All 65,536 patterns of both types, alone in a step: times one, from +0, each gives itself.
TEST(EmulateChain, EveryOperandTimesOne) {
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    std::vector<std::uint16_t> panels(Index{4096} * kPanelColumns);
    const float one = 1.0F;
    for (std::size_t i = 0; i < panels.size(); ++i) panels[i] = static_cast<std::uint16_t>(i);
    for (const Family family : {Family::ampere, Family::hopper}) {
      for (const Isa isa : available_isas()) {
        std::vector<float> out(panels.size());
        emulate_chain(isa, family, dtype,
                      {&one,
                       1,
                       1,
                       panels.data(),
                       kPanelColumns,
                       static_cast<Index>(out.size()),
                       {.run = 1},
                       out.data(),
                       static_cast<Index>(out.size()),
                       false});
        for (std::size_t i = 0; i < out.size(); ++i) {
          const float value = decode_half(dtype, static_cast<std::uint16_t>(i));
          const float expected = std::isnan(value) ? std::bit_cast<float>(0x7fffffffU)
                                 : value == 0      ? 0.0F
                                                   : value;
          ASSERT_TRUE(same_bits(out[i], expected)) << name_of(isa) << " " << std::hex << i;
        }
      }
    }
  }
}

TEST(EmulateChain, RunsTheInstructionSetAskedFor) {
  float out = 0;
  const std::uint16_t panel[16] = {};
  const Chain t{&out, 1, 1, panel, 16, 1, {.run = 1}, &out, 1, false};
  for (const Isa isa : available_isas()) {
    EXPECT_EQ(emulate_chain(isa, Family::hopper, Dtype::fp16, t).isa, isa);
  }
  EXPECT_THROW(emulate_chain(fastest_isa(), Family::ieee, Dtype::fp16, t), Fault);
  EXPECT_THROW(emulate_chain(fastest_isa(), Family::turing, Dtype::bf16, t), Fault);
}

}  // namespace
}  // namespace assay
