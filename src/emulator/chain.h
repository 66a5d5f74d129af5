// Chains of steps: each output's accumulator goes through k in the order of a walk, under one device's
// arithmetic, for a block of outputs at once.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "emulator/arithmetic.h"
#include "emulator/device.h"
#include "emulator/isa.h"
#include "number/dtype.h"

namespace assay {

inline constexpr Index kPanelColumns = 16;

// The k's of one accumulator, in this order: first + j * stride + i for j < count, i < run. On a device with
// steps of n products, a step never spans two runs: a run that is no multiple of n ends in a shorter step.
struct Walk {
  Index first = 0;
  Index run = 0;
  Index stride = 0;
  Index count = 1;
  bool operator==(const Walk&) const = default;
};

// C = A W over the k's of `walk`: row-major A [rows, K] and C [rows, columns] with strides in elements, W in
// panels of 16 columns.
struct Chain {
  const float* a;  // values of the weights' type
  Index a_stride;
  Index rows;
  const std::uint16_t* panels;  // panel p at panels + p * panel_stride, laid out [K][16]
  Index panel_stride;
  Index columns;
  Walk walk;
  float* c;
  Index c_stride;
  bool accumulate;                              // the chain of each output starts from C, else from +0
  Accumulator accumulator = Accumulator::fp32;  // fp16: C holds FP16 values
};

// How the blocks of a chain were computed; for tests and benches.
struct ChainBlocks {
  Isa isa = Isa::scalar;  // of the code that ran, as it names itself
  Index by_vectors = 0;
  Index by_model = 0;  // left to the scalar model
};

// The chain for a GPU family: steps of emulator/dot_model.h. `isa` is one of available_isas() and changes no
// bit. Fault: a family without such an instruction (dot_arithmetic), an instruction set that is not here.
ChainBlocks emulate_chain(Isa isa, Family family, Dtype weights, const Chain& chain);

}  // namespace assay
