#include "mma_report.h"

#include <fmt/core.h>
#include <fmt/ostream.h>

#include <algorithm>

#include "golden.h"
#include "parallel.h"
#include "special_cases.h"

namespace assay_probe {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kOutputsALaunch = 1 << 23;
constexpr std::int64_t kGoldenAFamily = 30;
constexpr std::int64_t kSamplesForRivals = 8192;

std::string hex(const InstructionSpec& spec, std::uint32_t bits) {
  return fmt::format("{:0{}x}", bits, spec.half_accumulator ? 4 : 8);
}

void print_mismatch(const InstructionSpec& spec, const Sample& sample) {
  fmt::print("    c {} expected {} found {}\n", hex(spec, sample.c), hex(spec, expected_of(spec, sample)),
             hex(spec, sample.d));
  const int digits = 2 * bytes_of(spec.operand);
  for (const auto& [name, bits] : {std::pair{'a', &sample.a}, std::pair{'b', &sample.b}}) {
    fmt::print("      {}", name);
    for (int i = 0; i < spec.k; ++i) fmt::print(" {:0{}x}", (*bits)[static_cast<std::size_t>(i)], digits);
    fmt::print("\n");
  }
}

double percent(std::int64_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void print_rivals(const InstructionSpec& spec, const std::vector<Sample>& samples,
                  const std::vector<Sample>& mismatched) {
  fmt::print("    equal bits under, of {} outputs{}:\n", samples.size(),
             mismatched.empty() ? "" : fmt::format(" and of {} mismatched", mismatched.size()));
  std::string line;
  for (const Rival& rival : rivals_of(spec)) {
    std::string entry = fmt::format(" {} {:.2f} %", rival.name,
                                    percent(equal_under(rival.rules, spec, samples), samples.size()));
    if (!mismatched.empty()) {
      entry +=
          fmt::format(" / {:.2f} %", percent(equal_under(rival.rules, spec, mismatched), mismatched.size()));
    }
    line += (line.empty() ? "" : ";") + entry;
  }
  fmt::print("     {}\n", line);
}

std::string products_text(const InstructionSpec& spec, const SpecialCase& special) {
  const int digits = 2 * bytes_of(spec.operand);
  std::string text;
  for (std::size_t i = 0; i < special.products.size(); ++i) {
    const auto& product = special.products[i];
    std::size_t same = 1;
    while (i + 1 < special.products.size() && special.products[i + 1] == product) ++i, ++same;
    text += fmt::format(" {:0{}x}*{:0{}x}", product.first, digits, product.second, digits);
    if (same > 1) text += fmt::format("(x{})", same);
  }
  return text;
}

}  // namespace

void probe_family(const InstructionSpec& spec, TileFamily family, std::int64_t outputs, const TileRunner& run,
                  std::ostream& golden, ProbeTotals& totals) {
  const std::int64_t all = (outputs + spec.outputs(1) - 1) / spec.outputs(1);
  CheckResult result;
  std::vector<Sample> samples;
  for (std::int64_t first = 0; first < all;) {
    const std::int64_t count = std::min(all - first, kOutputsALaunch / spec.outputs(1));
    HostTiles tiles(spec, count);
    parallel_for(count, [&](std::int64_t i, int) { make_tile(family, kSeed, first + i, i, tiles); });
    run(tiles);
    check_tiles(tiles, result);
    if (first == 0) {
      samples = spread_samples(tiles, kSamplesForRivals);
      const std::vector<Sample> written = spread_samples(tiles, kGoldenAFamily);
      write_golden(golden, spec, name_of(family), written);
      totals.golden_lines += static_cast<std::int64_t>(written.size());
    }
    first += count;
  }
  fmt::print("{:<28} {:<14} outputs {:>9} mismatches {}\n", spec.name, name_of(family), result.outputs,
             result.mismatches);
  for (std::size_t i = 0; i < std::min<std::size_t>(3, result.mismatched.size()); ++i) {
    print_mismatch(spec, result.mismatched[i]);
  }
  print_rivals(spec, samples, result.mismatched);
  totals.outputs += result.outputs;
  totals.mismatches += result.mismatches;
}

std::vector<std::uint32_t> probe_special_cases(const InstructionSpec& spec,
                                               const std::vector<std::uint32_t>* reference,
                                               const TileRunner& run, std::ostream& table,
                                               std::ostream& golden, ProbeTotals& totals) {
  const std::vector<SpecialCase> cases = special_cases(spec);
  HostTiles tiles = tiles_of(spec, cases);
  run(tiles);
  std::vector<std::uint32_t> answers;
  std::vector<Sample> samples;
  std::int64_t unlike_model = 0;
  std::int64_t unlike_reference = 0;
  fmt::print(table, "\n{}: {} cases\n", spec.name, cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Sample sample = sample_of(tiles, static_cast<std::int64_t>(i), 0, 0);
    const std::uint32_t expected = expected_of(spec, sample);
    answers.push_back(sample.d);
    samples.push_back(sample);
    if (expected != sample.d) ++unlike_model;
    if (reference != nullptr && (*reference)[i] == sample.d) continue;
    ++unlike_reference;
    const std::string line = fmt::format("  {:<34} c {} |{} -> {}{}\n", cases[i].note, hex(spec, sample.c),
                                         products_text(spec, cases[i]), hex(spec, sample.d),
                                         expected == sample.d ? "" : "  MODEL " + hex(spec, expected));
    fmt::print(table, "{}", line);
    if (expected != sample.d) fmt::print("{}", line);
  }
  fmt::print(
      "{:<28} hand-made      outputs {:>9} unlike the model {}{}\n", spec.name, cases.size(), unlike_model,
      reference == nullptr ? "" : fmt::format(", unlike the first such instruction {}", unlike_reference));
  if (reference == nullptr) {
    write_golden(golden, spec, "hand-made", samples);
    totals.golden_lines += static_cast<std::int64_t>(samples.size());
  }
  return answers;
}

}  // namespace assay_probe
