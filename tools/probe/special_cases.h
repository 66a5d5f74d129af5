// Small hand-made products whose results decide the rules at the edges: zero products beside a tiny C, signed
// zeros, infinities and NaNs, overflow, subnormal results.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tile_check.h"

namespace assay_probe {

struct SpecialCase {
  std::string note;
  std::uint32_t c = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>>
      products;  // bits of (a, b); at most 8, the rest +0 * +0
};

// For the instruction's operand and accumulator formats.
std::vector<SpecialCase> special_cases(const InstructionSpec& spec);

// One case a tile, at row 0 and column 0, everything else +0.
HostTiles tiles_of(const InstructionSpec& spec, const std::vector<SpecialCase>& cases);

}  // namespace assay_probe
