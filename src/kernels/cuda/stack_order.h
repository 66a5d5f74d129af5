// Orders of addition for a kernel that computes one walk after another: as a stack machine runs them, with few
// partial sums alive.
#pragma once

#include "kernels/schedule.h"

namespace assay {

struct StackSchedule {
  // Equal results bit for bit (NaN payloads aside). Each order's walks are in the order to compute them. After a walk,
  // whose accumulator is then the newest, its additions are the next ones in `adds` as long as their `from` is the
  // newest accumulator: they add it into the one before it, which then is the newest.
  Schedule schedule;
  Index depth = 0;  // most accumulators alive beside the newest
};

// Fault: an order that does not add each accumulator but 0 exactly once.
StackSchedule in_stack_order(const Schedule& schedule);

}  // namespace assay
