// The parts of mma_probe: families on one instruction, its special cases, and what is printed of them.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "tile_check.h"

namespace assay_probe {

// Fills tiles.d.
using TileRunner = std::function<void(HostTiles& tiles)>;

struct ProbeTotals {
  std::int64_t outputs = 0;
  std::int64_t mismatches = 0;
  std::int64_t golden_lines = 0;
};

// `outputs` random outputs (whole tiles, at least one) of one family: checked, the mismatches and the rivals'
// shares printed to stdout, some written to `golden`.
void probe_family(const InstructionSpec& spec, TileFamily family, std::int64_t outputs, const TileRunner& run,
                  std::ostream& golden, ProbeTotals& totals);

// The hand-made cases of one instruction, written to `table`: bits in, bits out; those unlike the model to
// stdout too. Where `spec.compared_with` is another instruction, `reference` holds that one's answers and
// only what differs from them is written. Returns the answers.
std::vector<std::uint32_t> probe_special_cases(const InstructionSpec& spec,
                                               const std::vector<std::uint32_t>* reference,
                                               const TileRunner& run, std::ostream& table,
                                               std::ostream& golden, ProbeTotals& totals);

}  // namespace assay_probe
