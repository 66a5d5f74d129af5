// How the bulk copy engine of Hopper (TMA) finds the values of a cache.
#pragma once

#include <cuda.h>

#include "kernels/cuda/row_ops.h"

namespace assay {

// Dimensions: D, slots, kv heads. Boxes of `columns` by `keys` by one; rows of 32 numbers (64 bytes) have the 64-byte
// swizzle: the 16-byte piece p of row k lies at piece p ^ k / 2 % 4.
CUtensorMap values_map(const KvLayer& kv, Index columns, Index keys);

}  // namespace assay
