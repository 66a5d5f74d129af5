// One step of a tensor core in integers, term by term: the definition that every faster form is held to.
#pragma once

#include "base/index.h"
#include "emulator/arithmetic.h"

namespace assay {

// c + a_0 b_0 + ... + a_{n-1} b_{n-1}, n <= arithmetic.products; the missing products are zeros. `a` and `b`
// hold values of `operand`. A NaN, infinity times zero, or infinities of both signs give the NaN 0x7fffffff;
// else an infinity gives itself; a zero, also of a negative sum that is truncated to
// nothing, is +0; a sum beyond FP32 is an infinity. (Each seen on an H200: docs/numerics.md.)
// With FP16 accumulators `c` and the result are FP16 values, and the NaN is FP16's 0x7fff.
float fused_dot_add(const DotArithmetic& arithmetic, Operand operand, float c, const float* a, const float* b,
                    Index n);

}  // namespace assay
