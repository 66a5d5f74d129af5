// One matrix instruction of the tensor cores on many independent tiles: D = A B + C.
//
// Layouts, the same for every instruction of shape m x n x k: A is [tiles][m][k], B is [tiles][n][k] (a
// column of B is contiguous), both packed elements of the operand type; C and D are [tiles][m][n] words of 32
// bits, an FP16 accumulator in the low half of its word. All pointers are the device's, 16-byte aligned.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "instruction.h"

namespace assay_probe {

struct DeviceTiles {
  const void* a;
  const void* b;
  const std::uint32_t* c;
  std::uint32_t* d;
  std::int64_t tiles;
};

// Asynchronous on the default stream. cudaErrorInvalidValue for a value that is no Instruction.
cudaError_t run_instruction(Instruction instruction, const DeviceTiles& tiles);

// The half of run_instruction that lives in wgmma_kernels.cu.
cudaError_t run_wgmma(Instruction instruction, const DeviceTiles& tiles);

}  // namespace assay_probe
