// The parts of gemm_probe: one product's outputs picked, a recipe searched, and what is printed of it.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "gemm_evaluate.h"
#include "gemm_run.h"

namespace assay_probe {

inline constexpr std::uint64_t kGemmSeed = 1;
inline constexpr Index kRandomOutputs = 2048;
inline constexpr Index kSensitiveOutputs = 256;

// The product is launched on rows 0 .. m-1 of x, then on m .. 2m-1, and so on while that adds to the choice
// of outputs: `launches` products, whose outputs lie below one another. A row's number is its number in x.
Index launches_of(const GemmProblem& problem, Index most_rows);

// Bits of the outputs that are looked at: kRandomOutputs random ones, row mix(77, 2j) % m and column
// mix(77, 2j + 1) % n; then up to a million of all launches.
std::vector<std::uint16_t> look_at(const GemmProblem& problem, Index launches,
                                   const std::uint16_t* device_out);

// The sensitive outputs are the smallest in magnitude of the million: there the sum has cancelled, so that
// the last bits of FP32, and hence the order of summation, show after rounding.
struct PickedOutputs {
  std::vector<OutputSample> random;     // without operands
  std::vector<OutputSample> sensitive;  // with operands
};

// `found` is what look_at gave.
PickedOutputs pick_outputs(const GemmProblem& problem, Index launches, std::span<const std::uint16_t> found);

// Row of x and column of W, made by inputs.h.
void make_operands(const GemmProblem& problem, OutputSample& sample);

struct GemmTotals {
  Index outputs = 0;
  Index products = 0;
  Index reproduced = 0;
  std::vector<std::string> unknown;
};

// Searches, prints, and writes the golden line where a recipe reproduces every picked output.
void report_recipe(const GemmProblem& problem, std::string_view call, const PickedOutputs& outputs,
                   std::ostream& golden, GemmTotals& totals);

void print_kernels(const std::vector<KernelLaunch>& kernels);

// "fp16 TN compute=f32 m=1 n=4096 k=4096"
std::string text_of(const GemmProblem& problem);

}  // namespace assay_probe
