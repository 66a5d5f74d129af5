// Makes a golden file from a vector file: of each case the outputs in which another kernel, generation or SM
// count would show, and a few others. Usage: kernel_golden FILE > GOLDEN   (vectors of an H200)
#include <algorithm>
#include <cstdio>
#include <string>

#include "kernels/recipes/dense.h"
#include "silicon/kernel_vectors.h"

namespace assay {
namespace {

constexpr std::size_t kSearched = 1024;  // of FP16 outputs; of BF16, which hide more orders, all
constexpr std::size_t kTelling = 24;
constexpr std::size_t kOthers = 8;

// What the case's kernel could be mistaken for.
std::vector<std::vector<std::uint16_t>> rivals(const KernelCase& c, std::size_t count) {
  std::vector<std::vector<std::uint16_t>> outputs;
  const bool marlin = c.kernel.starts_with("marlin");
  const ScalePlace place = marlin ? scale_place(c, KernelName::marlin_a) : ScalePlace::weights;
  const char* quantization = c.problem.zero_points ? "awq_marlin" : "gptq_marlin";
  for (const char* kernel : {"chain", "marlin_a", "marlin_b", "machete", "awq"}) {
    for (const Device device : {Device::h200, Device::h100_pcie, Device::h20}) {
      const auto choice = choose_kernel(quantization, "vllm-0.11", spec_of(device), kernel);
      if (!choice) continue;
      if (auto made = replay(c, *choice, spec_of(device), count, place)) outputs.push_back(*std::move(made));
    }
  }
  return outputs;
}

// cublasHgemm's other splits and sums, FP32 accumulators among them.
std::vector<std::vector<std::uint16_t>> half_gemm_rivals(const KernelCase& c, std::size_t count) {
  std::vector<std::vector<std::uint16_t>> outputs;
  for (const Index splits : {1, 2, 4, 8}) {
    SumOrder order = split_k_schedule(c.problem, splits)->orders.at(0);
    outputs.push_back(replay_order(c, order, Family::hopper, count));
    order.accumulator = Accumulator::fp16;
    outputs.push_back(replay_order(c, order, Family::hopper, count));
    std::reverse(order.walks.begin(), order.walks.end());
    outputs.push_back(replay_order(c, order, Family::hopper, count));
  }
  std::erase_if(outputs, [&](const auto& o) { return std::equal(o.begin(), o.end(), c.parts[0].begin()); });
  return outputs;
}

// Outputs whose lanes show.
std::vector<std::size_t> telling_blocks(const KernelCase& c, std::size_t count) {
  const auto faulty = replay_blocks(c, Isa::scalar, count, BlockFault::halves_as_lanes);
  std::vector<std::size_t> kept;
  for (std::size_t j = 0; j < count && kept.size() < kTelling; ++j) {
    bool tells = false;
    for (std::size_t part = 0; part < faulty.size(); ++part)
      tells = tells || faulty[part][j] != c.parts[part][j];
    if (tells) kept.push_back(j);
  }
  return kept;
}

std::vector<std::size_t> telling(const KernelCase& c, std::size_t count) {
  if (c.kernel == "exllama_partials") return telling_blocks(c, count);
  const auto others = c.kernel == "exllama_hgemm" ? half_gemm_rivals(c, count) : rivals(c, count);
  std::vector<std::size_t> kept;
  for (std::size_t j = 0; j < count && kept.size() < kTelling; ++j) {
    if (std::any_of(others.begin(), others.end(), [&](const auto& o) { return o[j] != c.parts[0][j]; }))
      kept.push_back(j);
  }
  return kept;
}

void print_case(const KernelCase& c) {
  const std::size_t all = c.parts.at(0).size();
  const std::size_t count = c.problem.dtype == Dtype::bf16 ? all : std::min(kSearched, all);
  std::vector<std::size_t> kept = telling(c, count);
  for (std::size_t j = 0, added = 0; j < count && added < kOthers; ++j) {
    if (std::find(kept.begin(), kept.end(), j) == kept.end()) kept.push_back(j), ++added;
  }
  const LinearProblem& p = c.problem;
  std::printf("case kernel=%s m=%ld n=%ld k=%ld group=%ld zero_points=%d seed=%lu%s\nsamples",
              c.kernel.c_str(), p.rows, p.outputs, p.inputs, p.group_size, p.zero_points ? 1 : 0, c.seed,
              p.dtype == Dtype::bf16 ? " dtype=bfloat16" : "");
  for (const std::size_t j : kept) std::printf(" %zu", j);
  std::printf("\n");
  for (const auto& part : c.parts) {
    for (const std::size_t j : kept) std::printf("%04x", part[j]);
    std::printf("\n");
  }
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: kernel_golden FILE\n"), 2;
  const auto cases = assay::read_kernel_cases(argv[1]);
  if (!cases) return std::fprintf(stderr, "%s\n", cases.error().message().c_str()), 2;
  std::printf(
      "# Outputs of the real kernel on an H200; tests/silicon/kernel_vectors.h says how to read them.\n");
  for (const auto& c : *cases) assay::print_case(c);
  return 0;
}
