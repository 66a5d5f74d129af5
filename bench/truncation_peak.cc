#include "bench/truncation_peak.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/truncation_peak.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The vectors of the two targets that chains are compiled for; elsewhere one float at a time.
#if HWY_TARGET == HWY_AVX3
using FloatTag = hn::ScalableTag<float>;
HWY_INLINE auto truncate(hn::Vec<FloatTag> x) {
  return hn::Vec<hn::RebindToSigned<FloatTag>>{_mm512_maskz_cvttps_epi32(0xffff, x.raw)};
}
#elif HWY_TARGET == HWY_AVX2
using FloatTag = hn::ScalableTag<float>;
HWY_INLINE auto truncate(hn::Vec<FloatTag> x) {
  return hn::Vec<hn::RebindToSigned<FloatTag>>{_mm256_cvttps_epi32(x.raw)};
}
#else
using FloatTag = hn::CappedTag<float, 1>;
HWY_INLINE auto truncate(hn::Vec<FloatTag> x) {
  return hn::Set(hn::RebindToSigned<FloatTag>{}, static_cast<std::int32_t>(hn::GetLane(x)));
}
#endif

// Four independent products hide the latency of the state's multiplication and fit 16 registers. Returns
// products done.
std::int64_t spin_products(std::int64_t rounds, float* sink) {
  const FloatTag d;
  const auto w = hn::Set(d, *sink);  // 1, unknown to the compiler
  const auto scale = hn::Set(d, *sink * 4096.0F);
  auto a = hn::Set(d, *sink + 0.0F);
  auto b = hn::Set(d, *sink + 1.0F);
  auto c = hn::Set(d, *sink + 2.0F);
  auto e = hn::Set(d, *sink + 3.0F);
  auto a_sum = truncate(a);
  auto b_sum = truncate(b);
  auto c_sum = truncate(c);
  auto e_sum = truncate(e);
  for (std::int64_t round = 0; round < rounds; ++round) {
    a = hn::Mul(a, w), a_sum = hn::Add(a_sum, truncate(hn::Mul(a, scale)));
    b = hn::Mul(b, w), b_sum = hn::Add(b_sum, truncate(hn::Mul(b, scale)));
    c = hn::Mul(c, w), c_sum = hn::Add(c_sum, truncate(hn::Mul(c, scale)));
    e = hn::Mul(e, w), e_sum = hn::Add(e_sum, truncate(hn::Mul(e, scale)));
  }
  *sink = static_cast<float>(hn::GetLane(hn::Add(hn::Add(a_sum, b_sum), hn::Add(c_sum, e_sum))));
  return rounds * 4 * static_cast<std::int64_t>(hn::MaxLanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

double measure_truncation_peak(Isa isa) {
  const auto spin = isa == Isa::avx512 ? N_AVX3::spin_products
                    : isa == Isa::avx2 ? N_AVX2::spin_products
                                       : HWY_STATIC_DISPATCH(spin_products);
  double best = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    float sink = 1.0F;
    const auto start = std::chrono::steady_clock::now();
    const std::int64_t done = spin(1'000'000, &sink);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(done) / seconds.count());
  }
  return best;
}

}  // namespace assay
#endif
