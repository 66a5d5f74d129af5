// The fused multiply-add rate of this machine, measured: the limit that matrix kernels are held against.
#pragma once

namespace assay {

// Multiply-adds a second in FP32 on `threads` threads at once, in registers only.
double measure_fma_peak(int threads);

}  // namespace assay
