// Products whose every output is one chain over all of K, by cuBLASLt: only with an algorithm that was seen to give the
// same bits as chain_sum.h.
#pragma once

#include <memory>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/product.h"
#include "kernels/schedule.h"

namespace assay {

// Whether each output's order is one contiguous walk over K.
bool supports_library_chain(const Schedule& cut, Index rows, Index outputs, Index inputs);

// A cuBLASLt handle with its workspace and the algorithms chosen so far. One for each engine and stream.
class LibraryChain {
 public:
  LibraryChain();
  ~LibraryChain();
  LibraryChain(LibraryChain&&) noexcept;
  LibraryChain& operator=(LibraryChain&&) noexcept;

  // Chooses, at the first product of a shape, an algorithm that does not split K and whose outputs equal those of
  // chain_sum.h in at least one of 64 rows: the operands must be real ones, and `out` is overwritten. Whether there is
  // one.
  bool prepare(const ProductOperands& operands, cudaStream_t stream);
  void run(const ProductOperands& operands, cudaStream_t stream);  // after prepare; launches only

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace assay
