// How a kernel cuts a matrix product: which k each accumulator sees and in which order accumulators are
// added. A recipe (kernels/recipes/) makes a Schedule from a shape and a device; matmul (compute.h) runs it.
#pragma once

#include <string>
#include <vector>

#include "base/index.h"
#include "emulator/chain.h"

namespace assay {

// accumulator[into] = accumulator[into] + accumulator[from], one addition in the accumulators' type.
struct Add {
  Index into = 0;
  Index from = 0;
  bool operator==(const Add&) const = default;
};

// One accumulator a walk, each from +0; then the additions in order; the result is accumulator 0, rounded to
// the activation type.
struct SumOrder {
  std::vector<Walk> walks;
  std::vector<Add> adds;
  bool rounds_walks = false;  // each walk's result is rounded to the activation type before the additions
  // fp16: the chains keep FP16, and every addition is rounded to FP16.
  Accumulator accumulator = Accumulator::fp32;
  bool operator==(const SumOrder&) const = default;
};

// A rectangle of outputs that share an order.
struct Region {
  Index row = 0;
  Index rows = 0;
  Index column = 0;
  Index columns = 0;
  Index order = 0;  // index into Schedule::orders
  bool operator==(const Region&) const = default;
};

// Regions cover each output once.
struct Schedule {
  std::vector<SumOrder> orders;
  std::vector<Region> regions;
};

// Rows first .. first + count - 1 of a pass.
struct RowRange {
  Index first = 0;
  Index count = 0;
};

// What a schedule of a whole pass says of some of its rows: region rows are counted from rows.first; orders keep their
// indices.
Schedule rows_of(const Schedule& schedule, RowRange rows);

}  // namespace assay
