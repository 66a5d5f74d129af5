// Compiles the vector chains once for AVX2 and once for AVX-512 (Highway's AVX3) and chooses among them.
#include "emulator/chain.h"

#include <immintrin.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "emulator/arithmetic.h"
#include "emulator/reference_chain.h"

#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "emulator/chain.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

#include "emulator/chain_vectors-inl.h"
//
#include "emulator/chain-inl.h"

#endif
}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

std::vector<Isa> available_isas() {
  std::vector<Isa> isas = {Isa::scalar};
#if HWY_ARCH_X86
  const auto supported = hwy::SupportedTargets();
  if (supported & HWY_AVX2) isas.push_back(Isa::avx2);
  if (supported & HWY_AVX3) isas.push_back(Isa::avx512);
#endif
  return isas;
}

std::optional<Isa> isa_named(std::string_view name) {
  for (const Isa isa : available_isas()) {
    if (name_of(isa) == name) return isa;
  }
  return std::nullopt;
}

ChainBlocks emulate_chain(Isa isa, Family family, Dtype weights, const Chain& chain) {
  const auto arithmetic = dot_arithmetic(family, operand_of(weights), chain.accumulator);
  require(arithmetic.has_value(), "the family multiplies this type");
#if HWY_ARCH_X86
  const auto supported = hwy::SupportedTargets();
  if (isa == Isa::avx2 && (supported & HWY_AVX2) != 0)
    return N_AVX2::vector_chain(*arithmetic, weights, chain);
  if (isa == Isa::avx512 && (supported & HWY_AVX3) != 0) {
    return N_AVX3::vector_chain(*arithmetic, weights, chain);
  }
#endif
  require(isa == Isa::scalar, "the instruction set is not here");
  reference_chain(*arithmetic, weights, chain);
  return {Isa::scalar, 0, 1};
}

}  // namespace assay
#endif
