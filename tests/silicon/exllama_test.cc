// exllama against the bits of the real kernels (an H200): the results of its blocks of 128 k, and cublasHgemm
// over the reconstructed weights; and planted faults against the same bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/recipes/half_gemm.h"
#include "silicon/kernel_vectors.h"

namespace assay {
namespace {

std::vector<KernelCase> load(const std::string& name) {
  auto cases = read_kernel_cases(ASSAY_SOURCE_DIR "/tests/golden/kernels/" + name + ".txt");
  if (!cases) throw Fault(cases.error().message());
  return *std::move(cases);
}

struct Agreement {
  std::size_t equal = 0;
  std::size_t all = 0;

  void count(const std::vector<std::uint16_t>& actual, const std::vector<std::uint16_t>& expected) {
    for (std::size_t i = 0; i < expected.size(); ++i) equal += actual.at(i) == expected[i] ? 1 : 0;
    all += expected.size();
  }
};

Agreement blocks(Isa isa, BlockFault fault = BlockFault::none) {
  Agreement result;
  for (const KernelCase& c : load("exllama_partials")) {
    const auto made = replay_blocks(c, isa, c.parts.at(0).size(), fault);
    EXPECT_EQ(made.size(), c.parts.size());
    for (std::size_t part = 0; part < made.size(); ++part) result.count(made[part], c.parts[part]);
  }
  return result;
}

TEST(ExllamaSilicon, BlocksHaveTheBitsOfTheKernel) {
  for (const Isa isa : available_isas()) {
    const Agreement result = blocks(isa);
    EXPECT_EQ(result.equal, result.all) << name_of(isa);
    EXPECT_GE(result.all, 4000U);
  }
}

// That a fused addition rounds once cannot show here: these inputs' lane sums fit FP32. exllama_test holds
// it.
TEST(ExllamaSilicon, PlantedFaultsShow) {
  for (const BlockFault fault : {BlockFault::halves_as_lanes, BlockFault::zero_point}) {
    const Agreement result = blocks(Isa::scalar, fault);
    EXPECT_LT(result.equal, result.all / 2) << static_cast<int>(fault);
  }
}

// Of each case under `change`d orders.
template <class Change>
Agreement half_gemms(Change change) {
  Agreement result;
  for (const KernelCase& c : load("exllama_hgemm")) {
    SumOrder order = half_gemm_schedule(c.problem, spec_of(Device::h200)).orders.at(0);
    change(order);
    result.count(replay_order(c, order, Family::hopper, c.parts.at(0).size()), c.parts.at(0));
  }
  return result;
}

TEST(ExllamaSilicon, HalfGemmsHaveTheBitsOfCublas) {
  EXPECT_EQ(load("exllama_hgemm").size(), 18U);
  for (const KernelCase& c : load("exllama_hgemm")) {
    EXPECT_TRUE(half_gemm_split(c.problem, spec_of(Device::h200)).measured);
  }
  const Agreement result = half_gemms([](SumOrder&) {});
  EXPECT_EQ(result.equal, result.all);
  EXPECT_GE(result.all, 500U);
}

TEST(ExllamaSilicon, OtherHalfGemmsAreNotTakenForIt) {
  const Agreement wide = half_gemms([](SumOrder& order) { order.accumulator = Accumulator::fp32; });
  EXPECT_LT(wide.equal, wide.all * 3 / 4);
  const Agreement reversed =
      half_gemms([](SumOrder& order) { std::reverse(order.walks.begin(), order.walks.end()); });
  EXPECT_LT(reversed.equal, reversed.all);
}

}  // namespace
}  // namespace assay
