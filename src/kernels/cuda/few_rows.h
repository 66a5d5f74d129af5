// Products of 1 to 16 rows near memory bandwidth: each weight is read once, in four bits where it has four, and
// the chains of the schedule run on the tensor cores.
#pragma once

#include "kernels/cuda/few_rows_program.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/int4_matrix.h"
#include "kernels/cuda/product.h"

namespace assay {

inline constexpr Index kMostFewRows = 16;

// Whether FewRowsPlan can run `cut`, whose regions must span all of its rows (what a row gets does not depend on its
// place). Every one of `rows` rows is computed so: `cut` may be the schedule of fewer rows.
bool supports_few_rows(const Schedule& cut, Index rows, Index outputs, Index inputs);

// Made once for a shape; run() launches only, so that it can be captured in a graph. It may begin to read weights before
// the kernel launched before it has ended (programmatic dependent launch): that kernel must not write them.
class FewRowsPlan {
 public:
  FewRowsPlan() = default;
  FewRowsPlan(const Schedule& cut, Index rows, Index outputs, Index inputs, cudaStream_t stream);

  // Dense: operands.w is [N, K]; not for walks in runs of 16 (marlin_a's). Four-bit: operands.w is ignored.
  void run(const ProductOperands& operands, cudaStream_t stream) const;
  void run(const ProductOperands& operands, const Int4View& w, cudaStream_t stream) const;

 private:
  void launch(const ProductOperands& operands, const Int4View* w, cudaStream_t stream) const;

  FewRowsProgram program_;  // its lists are in the buffers
  Index rows_ = 0;
  Index outputs_ = 0;
  Index inputs_ = 0;
  DeviceBuffer<FewRowsPiece> pieces_;
  DeviceBuffer<FewRowsSum> sums_;
  DeviceBuffer<FewRowsAdd> adds_;
};

}  // namespace assay
