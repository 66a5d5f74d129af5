// Holds the emulator's matrix step to the matrix instructions of the GPU at hand. tools/probe/README.md.
//
//   mma_probe [--out FOLDER] [--share PERCENT]    on a GPU of compute capability 9.0
//   mma_probe --dry-run [...]                     the model in the device's place
//   mma_probe --self-test
// Report on stdout; FOLDER/mma_golden.txt; FOLDER/mma_special.txt, the table of the hand-made cases. Exit
// code 0, 1 where an output differs from the model, 2 for trouble.
#include <fmt/core.h>

#include <chrono>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "cuda_check.h"
#include "golden.h"
#include "mma_kernels.h"
#include "mma_report.h"
#include "mma_self_test.h"
#include "parallel.h"

namespace assay_probe {
namespace {

struct Options {
  std::string folder = ".";
  double share = 1.0;
  bool dry_run = false;
  bool self_test = false;
};

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--dry-run") {
      options.dry_run = true;
    } else if (word == "--self-test") {
      options.self_test = true;
    } else if (word == "--out" && i + 1 < count) {
      options.folder = words[++i];
    } else if (word == "--share" && i + 1 < count) {
      options.share = std::stod(words[++i]) / 100;
    } else {
      throw std::invalid_argument("unknown option " + word);
    }
  }
  return options;
}

// Millions of outputs a family, by weight of the instruction in what the project computes.
double millions(const InstructionSpec& spec, TileFamily family) {
  const bool main_family = family <= TileFamily::wide;
  switch (spec.instruction) {
    case Instruction::mma_k16_f32_f16:
      return main_family ? 12.6 : 2;
    case Instruction::mma_k16_f32_bf16:
    case Instruction::wgmma_rs_f32_f16:
      return main_family ? 5 : 2;
    default:
      return main_family ? 2 : 1;
  }
}

void run_on_device(HostTiles& tiles) {
  const DeviceArray<std::uint8_t> a(std::span<const std::uint8_t>(tiles.a));
  const DeviceArray<std::uint8_t> b(std::span<const std::uint8_t>(tiles.b));
  const DeviceArray<std::uint32_t> c(std::span<const std::uint32_t>(tiles.c));
  const DeviceArray<std::uint32_t> d(tiles.d.size());
  check(run_instruction(tiles.spec.instruction, {a.data(), b.data(), c.data(), d.data(), tiles.tiles}));
  check(cudaDeviceSynchronize());
  d.download(tiles.d);
}

void run_on_model(HostTiles& tiles) {
  const InstructionSpec& spec = tiles.spec;
  parallel_for(tiles.tiles, [&](std::int64_t tile, int) {
    for (int i = 0; i < spec.outputs(1); ++i) {
      tiles.d[static_cast<std::size_t>(tile * spec.outputs(1) + i)] =
          expected_of(spec, sample_of(tiles, tile, i / spec.n, i % spec.n));
    }
  });
}

std::string device_name(bool dry_run) {
  if (dry_run) return "the model itself (dry run)";
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0));
  int driver = 0;
  check(cudaDriverGetVersion(&driver));
  return fmt::format("{}, compute capability {}.{}, {} SMs, driver CUDA {}.{}", properties.name,
                     properties.major, properties.minor, properties.multiProcessorCount, driver / 1000,
                     driver % 1000 / 10);
}

int probe(const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string device = device_name(options.dry_run);
  fmt::print("{}; {} host threads\n\n", device, core_count());
  const std::string path = options.folder + "/mma_golden.txt";
  std::ofstream golden(path);
  if (!golden) throw std::runtime_error("cannot write " + path);
  write_golden_header(golden, device);
  std::ofstream table(options.folder + "/mma_special.txt");
  const TileRunner run = options.dry_run ? run_on_model : run_on_device;

  ProbeTotals totals;
  for (const InstructionSpec& spec : instruction_table()) {
    for (TileFamily family : kTileFamilies) {
      if (!has_family(spec, family)) continue;
      const auto outputs = static_cast<std::int64_t>(1e6 * options.share * millions(spec, family));
      probe_family(spec, family, outputs, run, golden, totals);
      std::fflush(stdout);
    }
  }
  std::map<Instruction, std::vector<std::uint32_t>> answers;
  for (const InstructionSpec& spec : instruction_table()) {
    const bool first = spec.compared_with == spec.instruction;
    answers[spec.instruction] = probe_special_cases(spec, first ? nullptr : &answers.at(spec.compared_with),
                                                    run, table, golden, totals);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  fmt::print("\ntotal outputs {} mismatches {}; {} lines in {}; {:.1f} s\n", totals.outputs,
             totals.mismatches, totals.golden_lines, path, seconds.count());
  return totals.mismatches == 0 ? 0 : 1;
}

}  // namespace
}  // namespace assay_probe

int main(int count, char** words) {
  try {
    const auto options = assay_probe::parse(count, words);
    if (options.self_test) return assay_probe::mma_self_test() ? 0 : 1;
    return assay_probe::probe(options);
  } catch (const std::exception& trouble) {
    fmt::print(stderr, "mma_probe: {}\n", trouble.what());
    return 2;
  }
}
