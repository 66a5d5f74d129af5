// Comparing a device's answers with the model, output by output, and with rival models where that tells more.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tile_families.h"

namespace assay_probe {

// One output with all that made it. a[i], b[i] for i < spec.k.
struct Sample {
  std::uint32_t c = 0;
  std::uint32_t d = 0;  // found
  std::array<std::uint16_t, 32> a{};
  std::array<std::uint16_t, 32> b{};
};

Sample sample_of(const HostTiles& tiles, std::int64_t tile, int row, int column);

// `count` outputs spread over the tiles, over rows and over columns.
std::vector<Sample> spread_samples(const HostTiles& tiles, std::int64_t count);

std::uint32_t expected_of(const InstructionSpec& spec, const Sample& sample);
std::uint32_t under_rules(const StepRules& rules, const InstructionSpec& spec, const Sample& sample);

struct CheckResult {
  std::int64_t outputs = 0;
  std::int64_t mismatches = 0;
  std::vector<Sample> mismatched;  // the first kKeptMismatches of each launch
};

inline constexpr std::size_t kKeptMismatches = 2048;

// Adds all outputs of `tiles` to `result`. All cores.
void check_tiles(const HostTiles& tiles, CheckResult& result);

struct Rival {
  std::string name;
  StepRules rules;
};

// The expected rules first, then one change at a time.
std::vector<Rival> rivals_of(const InstructionSpec& spec);

std::int64_t equal_under(const StepRules& rules, const InstructionSpec& spec,
                         std::span<const Sample> samples);

}  // namespace assay_probe
