// mma_golden.txt: outputs of a device with all that made them, for a unit test to hold the emulator to.
//
// Text. Lines beginning with '#' are comments. Every other line has five fields with one space between:
//   instruction  c  a  b  d
// `instruction` is a name of instruction_table(); c and d are 8 hex digits (4 for an FP16 accumulator); a and
// b are k elements without separators, 4 hex digits each (2 for FP8), k ascending.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tile_check.h"

namespace assay_probe {

void write_golden_header(std::ostream& out, const std::string& device);
void write_golden(std::ostream& out, const InstructionSpec& spec, std::string_view family,
                  std::span<const Sample> samples);

// Error with the line's number where a line is malformed or its instruction unknown.
assay::Result<std::vector<std::pair<InstructionSpec, Sample>>> read_golden(std::istream& in);

}  // namespace assay_probe
