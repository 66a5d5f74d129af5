#include "gemm_report.h"

#include <fmt/core.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <atomic>

#include "gemm_kernels.h"
#include "inputs.h"
#include "number/float16.h"
#include "parallel.h"

namespace assay_probe {
namespace {

constexpr Index kLookedAt = 1 << 20;

Index draw(std::uint64_t seed, Index i, Index bound) {
  return static_cast<Index>(mix(seed, static_cast<std::uint64_t>(i)) % static_cast<std::uint64_t>(bound));
}

struct Place {
  Index row;
  Index column;
};

std::vector<Place> random_places(const GemmProblem& problem) {
  std::vector<Place> places;
  for (Index j = 0; j < kRandomOutputs; ++j) {
    places.push_back({draw(77, 2 * j, problem.m), draw(77, 2 * j + 1, problem.n)});
  }
  return places;
}

// Every output of `rows` rows where there are few, else random ones.
std::vector<Place> many_places(const GemmProblem& problem, Index rows) {
  const Index count = std::min(kLookedAt, rows * problem.n);
  const bool every = count == rows * problem.n;
  std::vector<Place> places;
  places.reserve(static_cast<std::size_t>(count));
  for (Index j = 0; j < count; ++j) {
    places.push_back(every ? Place{j / problem.n, j % problem.n}
                           : Place{draw(78, 2 * j, rows), draw(78, 2 * j + 1, problem.n)});
  }
  return places;
}

std::vector<Place> places_of(const GemmProblem& problem, Index launches) {
  std::vector<Place> places = random_places(problem);
  const std::vector<Place> many = many_places(problem, launches * problem.m);
  places.insert(places.end(), many.begin(), many.end());
  return places;
}

// Numbers of the `count` smallest magnitudes, smallest first; ties by number.
std::vector<std::size_t> smallest_of(std::span<const std::uint16_t> bits, std::size_t count) {
  std::vector<std::uint64_t> keys;
  keys.reserve(bits.size());
  for (std::uint64_t i = 0; i < bits.size(); ++i) {
    keys.push_back(static_cast<std::uint64_t>(bits[i] & 0x7fffU) << 32 | i);
  }
  count = std::min(count, keys.size());
  std::ranges::nth_element(keys, keys.begin() + static_cast<std::ptrdiff_t>(count) - 1);
  keys.resize(count);
  std::ranges::sort(keys);
  std::vector<std::size_t> numbers;
  for (std::uint64_t key : keys) numbers.push_back(key & 0xffffffffU);
  return numbers;
}

OutputSample sample_at(const Place& place, std::uint16_t found) {
  OutputSample sample;
  sample.row = place.row;
  sample.column = place.column;
  sample.found = found;
  return sample;
}

// Outputs without operands that the recipe reproduces.
Index count_equal_at(const GemmProblem& problem, const Recipe& recipe, std::span<const OutputSample> places) {
  std::atomic<Index> equal{0};
  parallel_for(static_cast<Index>(places.size()), [&](Index i, int) {
    OutputSample sample = places[static_cast<std::size_t>(i)];
    make_operands(problem, sample);
    if (output_bits(recipe, problem.dtype, sample) == sample.found) ++equal;
  });
  return equal;
}

void print_unknown(const GemmProblem& problem, const std::vector<Recipe>& best,
                   const PickedOutputs& outputs) {
  for (std::size_t i = 1; i < best.size(); ++i) {
    fmt::print("    also {:>4}/{} {}\n", best[i].equal, outputs.sensitive.size(), best[i].text());
  }
  const auto few = std::span(outputs.sensitive).first(std::min<std::size_t>(64, outputs.sensitive.size()));
  const CutReport cuts = explain_by_one_cut(problem.k, problem.dtype, few);
  fmt::print("    two pieces, cut anywhere: {}/{} explained; cut at", cuts.explained, cuts.tried);
  for (const auto& [k, count] : cuts.cuts) fmt::print(" {} ({})", k, count);
  fmt::print("\n    not reproduced (row, column, found, recipe):");
  int shown = 0;
  for (const OutputSample& sample : outputs.sensitive) {
    const std::uint16_t bits = output_bits(best.front(), problem.dtype, sample);
    if (bits == sample.found || shown++ == 8) continue;
    if (shown > 8) break;
    fmt::print(" ({}, {}, {:04x}, {:04x})", sample.row, sample.column, sample.found, bits);
  }
  fmt::print("\n");
}

void write_golden_line(const GemmProblem& problem, std::string_view call, const Recipe& recipe,
                       const PickedOutputs& outputs, std::ostream& golden) {
  fmt::print(golden, "{} seed={} {} {} |", call, kGemmSeed, text_of(problem), recipe.text());
  for (const auto* list : {&outputs.random, &outputs.sensitive}) {
    for (std::size_t i = 0; i < std::min<std::size_t>(32, list->size()); ++i) {
      const OutputSample& sample = (*list)[i];
      fmt::print(golden, " {}:{}:{:04x}", sample.row, sample.column, sample.found);
    }
  }
  fmt::print(golden, "\n");
}

}  // namespace

std::string text_of(const GemmProblem& problem) {
  return fmt::format("{} {} compute={} m={} n={} k={}", problem.dtype == Dtype::fp16 ? "fp16" : "bf16",
                     problem.layout(), problem.half_compute ? "f16" : "f32", problem.m, problem.n, problem.k);
}

void make_operands(const GemmProblem& problem, OutputSample& sample) {
  const auto row = static_cast<std::uint64_t>(sample.row);
  const auto column = static_cast<std::uint64_t>(sample.column);
  const auto inputs = static_cast<std::uint64_t>(problem.k);
  const auto outputs = static_cast<std::uint64_t>(problem.n);
  std::vector<float> x(inputs);
  std::vector<float> w(inputs);
  for (std::uint64_t k = 0; k < inputs; ++k) {
    if (problem.dtype == Dtype::fp16) {
      x[k] = assay::from_fp16(activation(kGemmSeed, row, k, inputs));
      w[k] = assay::from_fp16(dense_weight(kGemmSeed, k, column, outputs));
    } else {
      x[k] = assay::from_bf16(activation_bf16(kGemmSeed, row, k, inputs));
      w[k] = assay::from_bf16(dense_weight_bf16(kGemmSeed, k, column, outputs));
    }
  }
  sample.set_operands(std::move(x), std::move(w), problem.dtype);
}

Index launches_of(const GemmProblem& problem, Index most_rows) {
  const Index wanted = assay::ceil_div(kLookedAt, problem.m * problem.n);
  return std::min(wanted, most_rows / problem.m);
}

std::vector<std::uint16_t> look_at(const GemmProblem& problem, Index launches,
                                   const std::uint16_t* device_out) {
  std::vector<Index> positions;
  for (const Place& place : places_of(problem, launches)) {
    positions.push_back(place.row * problem.n + place.column);
  }
  const DeviceArray<Index> device_positions{std::span<const Index>(positions)};
  const DeviceArray<std::uint16_t> picked(positions.size());
  check(pick(device_out, device_positions.data(), picked.data(), static_cast<Index>(positions.size())));
  check(cudaDeviceSynchronize());
  std::vector<std::uint16_t> found(positions.size());
  picked.download(found);
  return found;
}

PickedOutputs pick_outputs(const GemmProblem& problem, Index launches, std::span<const std::uint16_t> found) {
  const std::vector<Place> places = places_of(problem, launches);
  constexpr auto kRandom = static_cast<std::size_t>(kRandomOutputs);
  PickedOutputs outputs;
  for (std::size_t i = 0; i < kRandom; ++i) outputs.random.push_back(sample_at(places[i], found[i]));
  for (std::size_t i : smallest_of(found.subspan(kRandom), static_cast<std::size_t>(kSensitiveOutputs))) {
    outputs.sensitive.push_back(sample_at(places[kRandom + i], found[kRandom + i]));
  }
  parallel_for(static_cast<Index>(outputs.sensitive.size()),
               [&](Index i, int) { make_operands(problem, outputs.sensitive[static_cast<std::size_t>(i)]); });
  return outputs;
}

void report_recipe(const GemmProblem& problem, std::string_view call, const PickedOutputs& outputs,
                   std::ostream& golden, GemmTotals& totals) {
  const std::vector<Recipe> best =
      search_recipes(problem.k, problem.dtype, problem.half_compute, outputs.sensitive);
  const Recipe& recipe = best.front();
  const Index random_equal = count_equal_at(problem, recipe, outputs.random);
  const auto sensitive = static_cast<Index>(outputs.sensitive.size());
  const bool reproduced = recipe.equal == sensitive && random_equal == kRandomOutputs;
  fmt::print("  {:<4} {} {}: random {}/{} sensitive {}/{}", call, reproduced ? "RECIPE" : "UNKNOWN, best",
             recipe.text(), random_equal, kRandomOutputs, recipe.equal, sensitive);
  if (best.size() > 1) fmt::print("; next {}/{} {}", best[1].equal, sensitive, best[1].text());
  fmt::print("\n");
  ++totals.products;
  totals.outputs += kRandomOutputs + sensitive;
  if (reproduced) {
    ++totals.reproduced;
    write_golden_line(problem, call, recipe, outputs, golden);
  } else {
    totals.unknown.push_back(
        fmt::format("{} {} random {}/{}", call, text_of(problem), random_equal, kRandomOutputs));
    print_unknown(problem, best, outputs);
  }
}

void print_kernels(const std::vector<KernelLaunch>& kernels) {
  if (kernels.empty()) fmt::print("    kernels not captured\n");
  for (const KernelLaunch& kernel : kernels) {
    fmt::print("    {} grid {}x{}x{} block {}x{}x{} shared {}\n", kernel.name, kernel.grid[0], kernel.grid[1],
               kernel.grid[2], kernel.block[0], kernel.block[1], kernel.block[2], kernel.shared_bytes);
  }
}

}  // namespace assay_probe
