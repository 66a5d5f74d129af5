// What a kernel call runs on: threads, the ops of an instruction set and activation type, and whose
// arithmetic.
#pragma once

#include <algorithm>

#include "base/index.h"
#include "base/thread_pool.h"
#include "emulator/device.h"
#include "kernels/ops.h"
#include "kernels/packed_matrix.h"
#include "kernels/schedule.h"

namespace assay {

struct Compute {
  ThreadPool& pool;
  const Ops& ops;
  Device device;

  Family family() const { return spec_of(device).family; }
};

// Those rows of RN(A W): `a` and `out` point to the first of them, A [count, K] and out [count, N] row-major.
// Each output's accumulators and their sum are as `schedule` says, which is made for the whole pass: what a
// row gets depends on its place in the pass, not on which rows are asked for.
void matmul(const Compute& compute, const Schedule& schedule, RowRange rows, const float* a,
            const PackedMatrix& w, float* out);

// body(row) for each row, in parallel; rows are handed out in blocks.
template <class Body>
void for_each_row(const Compute& compute, Index rows, const Body& body) {
  constexpr Index kBlock = 16;
  compute.pool.parallel_for(ceil_div(rows, kBlock), [&](Index block) {
    for (Index row = block * kBlock; row < std::min(rows, (block + 1) * kBlock); ++row) body(row);
  });
}

}  // namespace assay
