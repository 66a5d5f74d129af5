// What every recipe is given, and what it gives back. One recipe a file; its header comment is its contract.
#pragma once

#include "base/error.h"
#include "base/index.h"
#include "emulator/device.h"
#include "kernels/schedule.h"
#include "number/dtype.h"

namespace assay {

// A linear layer's product: out [rows, outputs] = x [rows, inputs] W [inputs, outputs].
struct LinearProblem {
  Index rows = 0;        // M, tokens of the pass
  Index outputs = 0;     // N, of the fused layer
  Index inputs = 0;      // K
  Index group_size = 0;  // of the quantization, = inputs for one group a column; 0: not quantized
  bool zero_points = false;
  Dtype dtype = Dtype::fp16;  // of activations
};

}  // namespace assay
