// Compiles the vector kernels once for AVX2 and once for AVX-512 (Highway's AVX3) and chooses among them.
#include "kernels/ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "emulator/chain.h"
#include "kernels/packed_matrix.h"
#include "kernels/reference/ops.h"
#include "number/transcendental.h"

// Targets without a fused multiply-add cannot run the chains; for them there is the reference.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/ops.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

#include "kernels/cpu/vector-inl.h"
//
#include "kernels/cpu/chain-inl.h"
#include "kernels/cpu/half_dots-inl.h"
#include "kernels/cpu/rows-inl.h"

template <class Round>
constexpr Ops kOps = {kLanes == 16 ? Isa::avx512 : Isa::avx2,
                      Round::kDtype,
                      chain,
                      round_row<Round>,
                      add_row<Round>,
                      accumulate_row,
                      multiply_row<Round>,
                      rms_norm_row<Round>,
                      silu_mul_row<Round>,
                      rope_row<Round>,
                      softmax_tile_row<Round>,
                      scale_row,
                      normalize_row<Round>,
                      log_sum_exp_row,
                      half_dots};

const Ops& vector_ops(Dtype dtype) { return dtype == Dtype::fp16 ? kOps<Fp16> : kOps<Bf16>; }

#endif
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

const Ops& ops_for(Isa isa, Dtype dtype) {
  const std::vector<Isa> available = available_isas();
  require(std::find(available.begin(), available.end(), isa) != available.end(),
          "the instruction set is not here");
  require(dtype == Dtype::fp16 || dtype == Dtype::bf16, "activations are FP16 or BF16");
#if HWY_ARCH_X86
  if (isa == Isa::avx2) return N_AVX2::vector_ops(dtype);
  if (isa == Isa::avx512) return N_AVX3::vector_ops(dtype);
#endif
  return reference_ops(dtype);
}

}  // namespace assay
#endif
