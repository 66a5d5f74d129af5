// dot_step.cuh over arrays, one step a thread: what its tests run.
#pragma once

#include <cstdint>

#include "emulator/device.h"
#include "kernels/cuda/gpu.h"
#include "number/dtype.h"

namespace assay {

// For i < count: out[i] = the step of c[i], a[i * n ..] and b[i * n ..], n the products of the family's steps. With
// `fast`, of DotStep where it can; by_exact[0] counts the steps left to dot_step_exact.
void dot_steps(Family family, Dtype dtype, bool fast, const float* c, const std::uint16_t* a,
               const std::uint16_t* b, int count, float* out, unsigned* by_exact, cudaStream_t stream);

}  // namespace assay
