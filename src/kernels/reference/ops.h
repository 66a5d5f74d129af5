// The scalar implementation of kernels/ops.h: obvious, slow, and what every other one is held to.
#pragma once

#include "kernels/ops.h"
#include "kernels/packed_matrix.h"

namespace assay {

const Ops& reference_ops(Dtype dtype);

}  // namespace assay
