// What a kernel call runs on: threads, the ops of an instruction set and activation type, and whose
// arithmetic.
#pragma once

#include <algorithm>

#include "base/index.h"
#include "base/thread_pool.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "kernels/packed_matrix.h"

namespace assay {

struct Compute {
  ThreadPool& pool;
  const Ops& ops;
  Device device;
};

// out [rows, N] = RN(A W), A [rows, K] row-major. Each output is one chain over k (kernels/ops.h).
void matmul(const Compute& compute, const float* a, Index rows, const PackedMatrix& w, float* out);

// body(row) for each row, in parallel; rows are handed out in blocks.
template <class Body>
void for_each_row(const Compute& compute, Index rows, const Body& body) {
  constexpr Index kBlock = 16;
  compute.pool.parallel_for(ceil_div(rows, kBlock), [&](Index block) {
    for (Index row = block * kBlock; row < std::min(rows, (block + 1) * kBlock); ++row) body(row);
  });
}

}  // namespace assay
