// One output of a matrix product under a hypothesis, and the search for the hypothesis that reproduces a
// device.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemm_recipes.h"
#include "number/dtype.h"
#include "step_model.h"

namespace assay_probe {

using assay::Dtype;

// One output with its row of x and its column of W.
struct OutputSample {
  Index row = 0;
  Index column = 0;
  std::uint16_t found = 0;  // the device's bits
  std::vector<float> x;     // [k]
  std::vector<float> w;     // [k]
  std::vector<Factor> x_factors;
  std::vector<Factor> w_factors;

  void set_operands(std::vector<float> x_values, std::vector<float> w_values, Dtype dtype);
};

// One sum a walk, each from +0.
std::vector<float> partial_sums(const Partition& partition, Dtype dtype, const OutputSample& sample);

// The output's bits. `sums` as partial_sums gives them.
std::uint16_t combine(const Partition& partition, const Combination& combination, Dtype dtype,
                      std::span<const float> sums);

struct Recipe {
  Partition partition;
  Combination combination;
  Index equal = 0;  // of the outputs it was tried on
  std::string text() const { return partition.name + " " + text_of(combination); }
};

std::uint16_t output_bits(const Recipe& recipe, Dtype dtype, const OutputSample& sample);

// Outputs that the recipe reproduces. All cores.
Index count_equal(const Recipe& recipe, Dtype dtype, std::span<const OutputSample> samples);

// The best hypotheses on `samples`, best first (ties: the earlier, plainer one), with `equal` of all of
// `samples`. The search ends at the first stage with one that reproduces all.
std::vector<Recipe> search_recipes(Index k, Dtype dtype, bool half_compute,
                                   std::span<const OutputSample> samples);

// Where no recipe fits: outputs that some two contiguous pieces explain, and the cuts that explain most.
struct CutReport {
  Index explained = 0;
  Index tried = 0;
  std::vector<std::pair<Index, Index>> cuts;  // (k, outputs), most first
};
CutReport explain_by_one_cut(Index k, Dtype dtype, std::span<const OutputSample> samples);

}  // namespace assay_probe
