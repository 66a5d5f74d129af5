// Which order of summation cuBLAS used, shape by shape: its outputs against recipes of the emulator's step.
// tools/probe/README.md.
//
//   gemm_probe [--out FOLDER] [--quick]     on a GPU of compute capability 9.0; --quick: FP16 and few M
//   gemm_probe --self-test
// Report on stdout; FOLDER/gemm_golden.txt. Exit code 0, 2 for trouble.
#include <fmt/core.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include "gemm_kernels.h"
#include "gemm_report.h"
#include "gemm_run.h"
#include "gemm_self_test.h"
#include "parallel.h"

namespace assay_probe {
namespace {

struct Options {
  std::string folder = ".";
  bool quick = false;
  bool self_test = false;
};

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--quick") {
      options.quick = true;
    } else if (word == "--self-test") {
      options.self_test = true;
    } else if (word == "--out" && i + 1 < count) {
      options.folder = words[++i];
    } else {
      throw std::invalid_argument("unknown option " + word);
    }
  }
  return options;
}

constexpr Index kMostRows = 8067;

// One weight matrix and the rows that meet it.
struct Shape {
  Index n;
  Index k;
};

class Probe {
 public:
  Probe(std::ostream& golden, const Options& options) : golden_(golden), options_(options) {}

  void run_all() {
    for (Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
      if (options_.quick && dtype == Dtype::bf16) continue;
      for (bool transposed : {true, false}) {
        if (!transposed && dtype == Dtype::bf16) continue;  // AWQ's dequantized path is FP16
        for (const Shape& shape : kShapes) run_shape(shape, dtype, transposed, false, rows());
      }
    }
    for (bool transposed : {false, true}) run_shape({4096, 4096}, Dtype::fp16, transposed, true, {64, 256});
  }

  const GemmTotals& totals() const { return totals_; }

 private:
  static constexpr Shape kShapes[] = {
      {6144, 4096}, {4096, 4096}, {24576, 4096}, {4096, 12288}, {151936, 4096},  // Qwen3-8B
      {512, 256},   {256, 256},   {2048, 256},   {256, 1024},   {4096, 256}};    // models/tiny-qwen3

  std::vector<Index> rows() const {
    if (options_.quick) return {1, 16, 256};
    return {1, 2, 8, 16, 64, 256, 1024, kMostRows};
  }

  void run_shape(const Shape& shape, Dtype dtype, bool transposed, bool half_compute,
                 const std::vector<Index>& rows) {
    const auto most = static_cast<std::size_t>(kMostRows);
    const auto n = static_cast<std::size_t>(shape.n);
    const auto k = static_cast<std::size_t>(shape.k);
    const DeviceArray<std::uint16_t> x(most * k);
    const DeviceArray<std::uint16_t> w(n * k);
    const DeviceArray<std::uint16_t> out(most * n);
    const bool bf16 = dtype == Dtype::bf16;
    check(fill_activations(x.data(), bf16, kGemmSeed, kMostRows, shape.k));
    check(fill_weights(w.data(), bf16, transposed, kGemmSeed, shape.k, shape.n));
    check(cudaDeviceSynchronize());
    for (Index m : rows) {
      const GemmProblem problem{m, shape.n, shape.k, transposed, dtype, half_compute};
      run_product(problem, x.data(), w.data(), out);
      std::fflush(stdout);
    }
  }

  void run_product(const GemmProblem& problem, const std::uint16_t* x, const std::uint16_t* w,
                   const DeviceArray<std::uint16_t>& out) {
    std::vector<KernelLaunch> kernels;
    const Index launches = launches_of(problem, kMostRows);
    check(cudaMemset(out.data(), 0xff, out.size() * 2));  // NaN: what a kernel left unwritten shows
    check(cudaDeviceSynchronize());
    const GemmAlgorithm algorithm = blas_.run_lt(problem, launches, x, w, out.data(), kernels);
    fmt::print("{}\n    {}\n", text_of(problem), algorithm.text());
    print_kernels(kernels);
    const std::vector<std::uint16_t> lt = look_at(problem, launches, out.data());
    report_recipe(problem, "lt", pick_outputs(problem, launches, lt), golden_, totals_);

    check(cudaMemset(out.data(), 0xff, out.size() * 2));
    check(cudaDeviceSynchronize());
    std::vector<KernelLaunch> gemm_kernels;
    blas_.run_gemm(problem, launches, x, w, out.data(), gemm_kernels);
    const std::vector<std::uint16_t> gemm = look_at(problem, launches, out.data());
    Index equal = 0;
    for (std::size_t i = 0; i < lt.size(); ++i) equal += lt[i] == gemm[i] ? 1 : 0;
    fmt::print("  {}: {}/{} outputs have lt's bits\n", problem.half_compute ? "cublasHgemm" : "cublasGemmEx",
               equal, lt.size());
    if (!same_names(kernels, gemm_kernels)) print_kernels(gemm_kernels);
    if (equal != static_cast<Index>(lt.size())) {
      report_recipe(problem, problem.half_compute ? "hgemm" : "gemmex", pick_outputs(problem, launches, gemm),
                    golden_, totals_);
    }
  }

  static bool same_names(const std::vector<KernelLaunch>& a, const std::vector<KernelLaunch>& b) {
    return std::ranges::equal(a, b, {}, &KernelLaunch::name, &KernelLaunch::name);
  }

  std::ostream& golden_;
  Options options_;
  Cublas blas_;
  GemmTotals totals_;
};

int probe(const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0));
  const std::string device = fmt::format("{}, {} SMs, cuBLASLt {}", properties.name,
                                         properties.multiProcessorCount, cublasLtGetVersion());
  fmt::print("{}; {} host threads\n", device, core_count());
  const std::string path = options.folder + "/gemm_golden.txt";
  std::ofstream golden(path);
  if (!golden) throw std::runtime_error("cannot write " + path);
  fmt::print(
      golden,
      "# Outputs of cuBLAS matrix products on: {}\n"
      "# call seed type layout compute m n k recipe | row:column:bits ... ; inputs by tools/probe/inputs.h,\n"
      "# the recipe's words by tools/probe/gemm_recipes.h; 32 random outputs, then 32 small ones\n",
      device);
  Probe probe(golden, options);
  probe.run_all();
  const GemmTotals& totals = probe.totals();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  fmt::print("\ntotal products {} reproduced {} outputs {}; {}; {:.1f} s\n", totals.products,
             totals.reproduced, totals.outputs, path, seconds.count());
  for (const std::string& unknown : totals.unknown) fmt::print("unknown: {}\n", unknown);
  return 0;
}

}  // namespace
}  // namespace assay_probe

int main(int count, char** words) {
  try {
    const auto options = assay_probe::parse(count, words);
    if (options.self_test) return assay_probe::gemm_self_test() ? 0 : 1;
    return assay_probe::probe(options);
  } catch (const std::exception& trouble) {
    fmt::print(stderr, "gemm_probe: {}\n", trouble.what());
    return 2;
  }
}
