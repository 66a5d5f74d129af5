// Recipes against the bits of the real kernels (tests/golden/kernels, from an H200), and planted faults
// against the same bits.
#include "silicon/kernel_vectors.h"

#include <gtest/gtest.h>

#include <fstream>

namespace assay {
namespace {

struct Golden {
  const char* file;
  const char* kernel;
  const char* wrong;  // a kernel that it must not be taken for
};

constexpr Golden kGolden[] = {
    {"marlin_a_awq", "marlin_a", "marlin_b"},          {"marlin_a_gptq", "marlin_a", "marlin_b"},
    {"marlin_a_gptq_group32", "marlin_a", "marlin_b"}, {"marlin_a_gptq_group64", "marlin_a", "marlin_b"},
    {"marlin_a_gptq_column", "marlin_a", "marlin_b"},  {"marlin_a_awq_column", "marlin_a", "marlin_b"},
    {"marlin_a_gptq_bf16", "marlin_a", "marlin_b"},    {"marlin_a_awq_bf16", "marlin_a", "marlin_b"},
    {"marlin_b_awq", "marlin_b", "marlin_a"},          {"marlin_b_gptq", "marlin_b", "marlin_a"},
    {"machete_gptq", "machete", "marlin_a"},           {"awq_gemm", "awq", "marlin_a"}};

std::vector<KernelCase> load(const std::string& name) {
  auto cases = read_kernel_cases(ASSAY_SOURCE_DIR "/tests/golden/kernels/" + name + ".txt");
  if (!cases) throw Fault(cases.error().message());
  return *std::move(cases);
}

struct Agreement {
  std::size_t equal = 0;
  std::size_t all = 0;
};

Agreement agreement(const KernelCase& c, const char* kernel, Device device,
                    std::optional<ScalePlace> place = std::nullopt) {
  const auto choice = choose_kernel(c.problem.zero_points ? "awq_marlin" : "gptq_marlin", "vllm-0.11",
                                    spec_of(device), kernel);
  if (!choice) throw Fault(choice.error().message());
  const auto& expected = c.parts.at(0);
  const auto outputs = replay(c, *choice, spec_of(device), expected.size(), place);
  if (!outputs) throw Fault(outputs.error().message());
  Agreement result{0, expected.size()};
  for (std::size_t i = 0; i < expected.size(); ++i) result.equal += (*outputs)[i] == expected[i] ? 1 : 0;
  return result;
}

class Silicon : public testing::TestWithParam<Golden> {};

TEST_P(Silicon, TheRecipeGivesTheBitsOfTheKernel) {
  const auto cases = load(GetParam().file);
  EXPECT_GE(cases.size(), 40U);
  for (const KernelCase& c : cases) {
    const Agreement result = agreement(c, GetParam().kernel, Device::h200);
    EXPECT_GE(result.all, 8U);
    EXPECT_EQ(result.equal, result.all)
        << c.problem.rows << " x " << c.problem.outputs << " x " << c.problem.inputs;
  }
}

TEST_P(Silicon, AnotherKernelIsNotTakenForIt) {
  Agreement sum;
  for (const KernelCase& c : load(GetParam().file)) {
    const Agreement result = agreement(c, GetParam().wrong, Device::h200);
    sum.equal += result.equal;
    sum.all += result.all;
  }
  EXPECT_LT(sum.equal, sum.all * 99 / 100);
}

INSTANTIATE_TEST_SUITE_P(H200, Silicon, testing::ValuesIn(kGolden),
                         [](const auto& golden) { return std::string(golden.param.file); });

TEST(SiliconFaults, AnotherSmCountIsNotTakenForIt) {
  Agreement sum;
  for (const KernelCase& c : load("marlin_a_gptq")) {
    const Agreement result = agreement(c, "marlin_a", Device::h20);
    sum.equal += result.equal;
    sum.all += result.all;
  }
  EXPECT_LT(sum.equal, sum.all * 99 / 100);
}

// A zero point off by one, swapped groups, a shifted position: each moves nearly every output.
TEST(SiliconFaults, WrongInputsAreNoticed) {
  for (const InputFault fault : {InputFault::zero_point, InputFault::swapped_groups, InputFault::shifted}) {
    for (KernelCase c : load("marlin_a_awq")) {
      if (c.problem.rows != 16) continue;
      c.fault = fault;
      const Agreement result = agreement(c, "marlin_a", Device::h200);
      EXPECT_LT(result.equal, result.all / 4) << static_cast<int>(fault);
    }
  }
}

// With one group a column, Marlin scales the rounded sum; scaling the weights moves nearly half the outputs.
TEST(SiliconFaults, ScaledWeightsAreNotTakenForAScaledResult) {
  for (const char* file : {"marlin_a_gptq_column", "marlin_a_awq_column"}) {
    Agreement sum;
    for (const KernelCase& c : load(file)) {
      const Agreement result = agreement(c, "marlin_a", Device::h200, ScalePlace::weights);
      sum.equal += result.equal;
      sum.all += result.all;
    }
    EXPECT_LT(sum.equal, sum.all * 3 / 4) << file;
  }
}

// BF16 inputs taken for FP16 ones are other numbers.
TEST(SiliconFaults, AnotherTypeIsNotTakenForIt) {
  KernelCase c = load("marlin_a_gptq_bf16").at(20);
  c.problem.dtype = Dtype::fp16;
  const Agreement result = agreement(c, "marlin_a", Device::h200);
  EXPECT_LT(result.equal, result.all / 4);
}

TEST(KernelVectors, RefusesAnUnknownType) {
  const auto file = std::filesystem::temp_directory_path() / "assay_unknown_dtype.txt";
  std::ofstream(file)
      << "case kernel=marlin_a_gptq m=1 n=64 k=128 group=128 zero_points=0 seed=1 dtype=float8\n0000\n";
  EXPECT_FALSE(read_kernel_cases(file).ok());
  std::filesystem::remove(file);
}

TEST(KernelVectors, RefusesWhatIsNoVectorFile) {
  EXPECT_FALSE(read_kernel_cases(ASSAY_SOURCE_DIR "/README.md").ok());
  EXPECT_FALSE(read_kernel_cases("no/such/file").ok());
}

}  // namespace
}  // namespace assay
