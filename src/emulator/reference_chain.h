// The chain by the scalar model, one output at a time.
#pragma once

#include "emulator/arithmetic.h"
#include "emulator/chain.h"

namespace assay {

void reference_chain(const DotArithmetic& arithmetic, Dtype weights, const Chain& chain);

}  // namespace assay
