// The rate of truncated products of this machine, measured: the limit that emulated chains are held against.
#pragma once

#include "emulator/isa.h"

namespace assay {

// Products a second on one thread, in registers only, each by the four operations that no step of a tensor
// core can do without: two multiplications (operand by operand, then by the scale), a conversion to an
// integer with truncation, an integer addition. In vectors of `isa`, one of available_isas(); `scalar`: one
// product at a time. The best of several attempts.
double measure_truncation_peak(Isa isa);

}  // namespace assay
