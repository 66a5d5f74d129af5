#include "gemm_self_test.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "emulator/dot_model.h"
#include "gemm_report.h"
#include "number/float16.h"
#include "parallel.h"

namespace assay_probe {
namespace {

bool report(bool holds, std::string_view what) {
  fmt::print("{} {}\n", holds ? "ok  " : "FAIL", what);
  return holds;
}

constexpr std::size_t kSamples = 96;

// The smallest outputs of a made row, without found bits.
std::vector<OutputSample> samples_of(const GemmProblem& problem) {
  std::vector<std::pair<double, Index>> sums(static_cast<std::size_t>(problem.n));
  parallel_for(problem.n, [&](Index column, int) {
    OutputSample sample;
    sample.column = column;
    make_operands(problem, sample);
    const double sum = std::inner_product(sample.x.begin(), sample.x.end(), sample.w.begin(), 0.0);
    sums[static_cast<std::size_t>(column)] = {std::fabs(sum), column};
  });
  std::ranges::sort(sums);
  std::vector<OutputSample> samples(kSamples);
  for (std::size_t i = 0; i < kSamples; ++i) {
    samples[i].column = sums[i].second;
    make_operands(problem, samples[i]);
  }
  return samples;
}

// The plain chain is fused_dot_add over k, bit for bit.
bool chain_is_the_emulators(Dtype dtype) {
  const GemmProblem problem{.m = 1, .n = 1024, .k = 1024, .dtype = dtype};
  const auto arithmetic = *assay::dot_arithmetic(assay::Family::hopper, assay::operand_of(dtype));
  const Partition chain = partition_stages(problem.k, false)[0][0];
  for (const OutputSample& sample : samples_of(problem)) {
    float sum = 0;
    for (std::size_t k = 0; k < sample.x.size(); k += 16) {
      sum = assay::fused_dot_add(arithmetic, assay::operand_of(dtype), sum, &sample.x[k], &sample.w[k], 16);
    }
    if (partial_sums(chain, dtype, sample)[0] != sum) return false;
  }
  return true;
}

// A planted recipe is found again: the best has its text, or reproduces all outputs under an equal
// description.
bool finds(const GemmProblem& problem, std::string_view partition_name, std::string_view combination) {
  std::vector<OutputSample> samples = samples_of(problem);
  for (const std::vector<Partition>& stage : partition_stages(problem.k, problem.half_compute)) {
    for (const Partition& partition : stage) {
      if (partition.name != partition_name) continue;
      for (const Combination& tried : combinations_of(partition)) {
        if (text_of(tried) != combination) continue;
        const Recipe planted{partition, tried, 0};
        for (OutputSample& sample : samples) sample.found = output_bits(planted, problem.dtype, sample);
        const auto best = search_recipes(problem.k, problem.dtype, problem.half_compute, samples);
        fmt::print("     planted {}; found {}/{} {}; next {}/{} {}\n", planted.text(), best[0].equal,
                   samples.size(), best[0].text(), best[1].equal, samples.size(), best[1].text());
        return best[0].partition.name == planted.partition.name &&
               best[0].equal == static_cast<Index>(kSamples);
      }
    }
  }
  fmt::print("     no such hypothesis: {}\n", partition_name);
  return false;
}

// Three FP16 partials 1, 2^-11, 2^-11: FP32 additions see 1 + 2^-10, additions rounded in place see the ties.
bool combinations_by_hand() {
  const Partition three{.name = "", .step = Step::tensor, .parts = 3, .warps = 1, .walks = {}};
  const std::vector<float> sums = {1.0F, 0x1p-11F, 0x1p-11F};
  const auto bits = [&](Order order, Partials partials) {
    return combine(three, {Order::ascending, order, partials}, Dtype::fp16, sums);
  };
  return bits(Order::ascending, Partials::fp32) == 0x3c01 &&
         bits(Order::ascending, Partials::running) == 0x3c00 &&
         bits(Order::descending, Partials::running) == 0x3c01;
}

}  // namespace

bool gemm_self_test() {
  const GemmProblem fp16{.m = 1, .n = 32768, .k = 1024};
  const GemmProblem bf16{.m = 1, .n = 32768, .k = 1024, .dtype = Dtype::bf16};
  const GemmProblem half{.m = 1, .n = 32768, .k = 1024, .half_compute = true};
  bool holds = report(combinations_by_hand(), "additions of partials by hand");
  holds &= report(chain_is_the_emulators(Dtype::fp16) && chain_is_the_emulators(Dtype::bf16),
                  "the chain equals fused_dot_add");
  const std::string plain = "inner=ascending outer=ascending partials=fp32";
  holds &=
      report(finds(fp16, "step=tensor parts=1 tile=64 cut=ceil warps=1 block=0", plain), "finds a chain");
  holds &=
      report(finds(bf16, "step=tensor parts=1 tile=64 cut=ceil warps=1 block=0", plain), "finds it in BF16");
  holds &= report(finds(fp16, "step=tensor parts=3 tile=64 cut=ceil warps=1 block=0",
                        "inner=ascending outer=descending partials=rounded"),
                  "finds a split with rounded partials");
  holds &= report(finds(fp16, "step=tensor parts=1 tile=16 cut=ceil warps=4 block=16",
                        "inner=halves outer=ascending partials=fp32"),
                  "finds interleaved warps");
  holds &= report(
      finds(fp16, "step=fma lanes=32 vector=8 accumulators=1", "inner=ascending outer=halves partials=fp32"),
      "finds FMA lanes");
  holds &= report(finds(half, "step=tensor-half parts=1 tile=64 cut=ceil warps=1 block=0", plain),
                  "finds FP16 accumulators");
  return holds;
}

}  // namespace assay_probe
