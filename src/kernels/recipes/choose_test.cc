#include "kernels/recipes/choose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/recipes/half_gemm.h"
#include "kernels/recipes/marlin.h"
#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

constexpr std::string_view kProfile = "vllm-0.11";

using testing::HasSubstr;

std::string chosen(std::string_view quantization, std::string_view profile, Device device,
                   std::optional<std::string_view> kernel = std::nullopt) {
  const auto choice = choose_kernel(quantization, profile, spec_of(device), kernel);
  return choice ? choice->name : choice.error().message();
}

TEST(ChooseKernel, FollowsVllm) {
  const auto on = [](std::string_view quantization, Device device) {
    return chosen(quantization, kProfile, device);
  };
  for (const Device device :
       {Device::a100, Device::a10, Device::l40s, Device::h100, Device::h20, Device::b200}) {
    EXPECT_EQ(on("none", device), device == Device::h100 ? "cublas" : "chain");
    EXPECT_EQ(on("awq", device), "awq");
    EXPECT_EQ(on("awq_marlin", device), "marlin_a");
    EXPECT_EQ(on("gptq", device), "exllama");
    const bool hopper = spec_of(device).family == Family::hopper;
    EXPECT_EQ(on("gptq_marlin", device), hopper ? "machete" : "marlin_a");
    EXPECT_EQ(chosen("awq_marlin", "vllm-0.12", device), "marlin_b");
    EXPECT_EQ(chosen("gptq_marlin", "vllm-0.12", device), hopper ? "machete" : "marlin_b");
  }
  EXPECT_EQ(on("awq", Device::t4), "awq");
  EXPECT_EQ(on("gptq", Device::v100), "exllama");
  EXPECT_EQ(on("awq", Device::v100),
            "kernel awq: expected a device of compute capability 7.5 or more, found v100 (7.0)");
  EXPECT_THAT(on("awq_marlin", Device::t4), HasSubstr("kernel marlin_a"));
  EXPECT_THAT(on("gptq_marlin", Device::t4), HasSubstr("8.0 or more, found t4 (7.5)"));
}

TEST(ChooseKernel, YardsticksRunTheChain) {
  for (const Device device : {Device::ieee, Device::exact}) {
    for (const char* quantization : {"none", "awq", "awq_marlin", "gptq", "gptq_marlin"}) {
      EXPECT_EQ(chosen(quantization, "vllm-0.12", device), "chain");
      EXPECT_EQ(chosen(quantization, "vllm-0.12", device, "chain"), "chain");
    }
    EXPECT_THAT(chosen("awq", kProfile, device, "awq"), HasSubstr("chain, the only kernel of device"));
    EXPECT_THAT(chosen("none", kProfile, device, "split_k(2)"), HasSubstr("found split_k(2)"));
  }
}

TEST(ChooseKernel, AnOverrideNamesOneKernel) {
  const auto with = [](std::string_view quantization, Device device, std::string_view kernel) {
    return chosen(quantization, kProfile, device, kernel);
  };
  EXPECT_EQ(with("awq_marlin", Device::h100, "marlin_b"), "marlin_b");
  EXPECT_EQ(with("awq_marlin", Device::h100, "awq"), "awq");
  EXPECT_EQ(with("gptq_marlin", Device::h100, "marlin_a"), "marlin_a");
  EXPECT_EQ(with("gptq_marlin", Device::a100, "exllama"), "exllama");
  EXPECT_EQ(with("none", Device::h200, "split_k(3)"), "split_k(3)");
  EXPECT_EQ(choose_kernel("none", kProfile, spec_of(Device::h200), "split_k(12)")->splits, 12);
  EXPECT_EQ(with("awq", Device::h100, "chain"), "chain");
  EXPECT_THAT(with("awq", Device::h100, "cublas"), HasSubstr("unquantized weights, found quantization awq"));
  EXPECT_THAT(with("none", Device::a100, "cublas"), HasSubstr("capability 9.0"));
  EXPECT_EQ(with("gptq_marlin", Device::a100, "machete"),
            "kernel machete: expected a device of compute capability 9.0, found a100 (8.0)");
  EXPECT_EQ(with("awq_marlin", Device::h100, "machete"),
            "kernel machete: expected gptq weights, found quantization awq_marlin");
  EXPECT_THAT(with("none", Device::h100, "marlin_a"),
              HasSubstr("awq or gptq weights, found quantization none"));
  EXPECT_THAT(with("gptq", Device::h100, "awq"), HasSubstr("awq weights"));
  EXPECT_THAT(with("awq", Device::h100, "exllama"), HasSubstr("gptq weights"));
}

TEST(ChooseKernel, UnknownNamesListWhatExists) {
  EXPECT_EQ(chosen("fp8", kProfile, Device::h100),
            "quantization: expected one of none, awq, awq_marlin, gptq, gptq_marlin, found fp8");
  EXPECT_EQ(chosen("awq", "vllm-0.13", Device::ieee),
            "profile: expected one of vllm-0.11, vllm-0.12, found vllm-0.13");
  for (const char* kernel : {"marlin", "split_k", "split_k(n)", "split_k(0)", "split_k(-1)", "split_k(2",
                             "split_k(2x)", "split_k()", "split_k(99999999999999999999)"}) {
    EXPECT_EQ(
        chosen("awq", kProfile, Device::h100, kernel),
        std::string(
            "kernel: expected one of chain, split_k(n), cublas, awq, marlin_a, marlin_b, machete, exllama, "
            "found ") +
            kernel);
  }
  EXPECT_THAT(chosen("awq", kProfile, Device::h100, ""), HasSubstr("found an empty name"));
}

TEST(ScheduleFor, RunsTheChosenRecipe) {
  const LinearProblem problem = {.rows = 64, .outputs = 4096, .inputs = 4096, .group_size = 128};
  const DeviceSpec& h100 = spec_of(Device::h100);
  const auto run = [&](const char* quantization, const char* kernel) {
    return schedule_for(*choose_kernel(quantization, kProfile, h100, kernel), problem, h100);
  };
  for (const char* kernel : {"chain", "split_k(2)", "marlin_a", "marlin_b", "machete"}) {
    EXPECT_EQ(first_defect(*run("gptq", kernel), problem), "") << kernel;
  }
  EXPECT_EQ(first_defect(*run("awq", "awq"), problem), "");
  EXPECT_EQ(run("gptq", "marlin_b")->orders, marlin_schedule(problem, h100, MarlinGeneration::b)->orders);
  EXPECT_NE(run("gptq", "marlin_a")->orders, run("gptq", "marlin_b")->orders);
  EXPECT_EQ(run("gptq", "exllama")->orders, half_gemm_schedule(problem, h100).orders);
  LinearProblem few = problem;
  few.rows = 50;
  EXPECT_THAT(schedule_for(*choose_kernel("gptq", kProfile, h100, {}), few, h100).error().message(),
              HasSubstr("kernel exllama: expected more than 50 rows for a sum of chains, found 50"));
  LinearProblem odd = problem;
  odd.outputs = 4096 + 64;
  const auto refused = schedule_for(*choose_kernel("gptq_marlin", kProfile, h100, {}), odd, h100);
  EXPECT_THAT(refused.error().message(), HasSubstr("kernel machete: expected outputs (N) a multiple of 128"));
}

}  // namespace
}  // namespace assay
