#include "bench/fma_peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/thread_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/fma_peak.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace assay {
namespace HWY_NAMESPACE {

// 12 independent accumulators hide the latency of four cycles at up to three a cycle. Returns multiply-adds
// done.
std::int64_t spin(std::int64_t rounds, float* sink) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
  const auto x = hn::Set(d, 0.999F);
  const auto y = hn::Set(d, *sink);
  // Different starts, or the compiler would see one accumulator in all twelve.
  auto a = hn::Set(d, *sink + 0.0F);
  auto b = hn::Set(d, *sink + 1.0F);
  auto c = hn::Set(d, *sink + 2.0F);
  auto e = hn::Set(d, *sink + 3.0F);
  auto f = hn::Set(d, *sink + 4.0F);
  auto g = hn::Set(d, *sink + 5.0F);
  auto h = hn::Set(d, *sink + 6.0F);
  auto i = hn::Set(d, *sink + 7.0F);
  auto j = hn::Set(d, *sink + 8.0F);
  auto k = hn::Set(d, *sink + 9.0F);
  auto l = hn::Set(d, *sink + 10.0F);
  auto m = hn::Set(d, *sink + 11.0F);
  for (std::int64_t round = 0; round < rounds; ++round) {
    a = hn::MulAdd(a, x, y), b = hn::MulAdd(b, x, y), c = hn::MulAdd(c, x, y), e = hn::MulAdd(e, x, y);
    f = hn::MulAdd(f, x, y), g = hn::MulAdd(g, x, y), h = hn::MulAdd(h, x, y), i = hn::MulAdd(i, x, y);
    j = hn::MulAdd(j, x, y), k = hn::MulAdd(k, x, y), l = hn::MulAdd(l, x, y), m = hn::MulAdd(m, x, y);
  }
  const auto sum =
      hn::Add(hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, e)), hn::Add(hn::Add(f, g), hn::Add(h, i))),
              hn::Add(hn::Add(j, k), hn::Add(l, m)));
  *sink = hn::GetLane(sum);
  return rounds * 12 * static_cast<std::int64_t>(hn::Lanes(d));
}

}  // namespace HWY_NAMESPACE
}  // namespace assay
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

HWY_EXPORT(spin);

double measure_fma_peak(int threads) {
  ThreadPool pool(threads);
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::atomic<std::int64_t> done = 0;
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(threads, [&](Index thread) {
      float sink = 1e-3F * static_cast<float>(thread + 1);
      done += HWY_DYNAMIC_DISPATCH(spin)(20'000'000, &sink);
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(done) / seconds.count());
  }
  return best;
}

}  // namespace assay
#endif
