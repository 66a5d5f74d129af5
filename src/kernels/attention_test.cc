// Attention against a plain double-precision softmax, and against itself: threads, blocks of rows, decode
// steps and instruction sets change no bit.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "number/float16.h"

namespace assay {
namespace {

constexpr Index kHeads = 4;
constexpr Index kKvHeads = 2;
constexpr Index kDim = 64;

using Values = std::vector<float>;

Values random_halves(Index n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Values values(static_cast<std::size_t>(n));
  for (float& value : values) value = round_to_fp16(normal(random));
  return values;
}

struct Problem {
  explicit Problem(Index positions)
      : q(random_halves(positions * kHeads * kDim, 1)),
        k(random_halves(positions * kKvHeads * kDim, 2)),
        v(random_halves(positions * kKvHeads * kDim, 3)),
        cache(kKvHeads, kDim, positions, Dtype::fp16) {
    for (Index t = 0; t < positions; ++t) {
      for (Index h = 0; h < kKvHeads; ++h) {
        const Index at = (t * kKvHeads + h) * kDim;
        cache.store(t, h, k.data() + at, v.data() + at);
      }
    }
  }
  Values q, k, v;
  KvCache cache;
};

// Rows [first, first + rows) of the problem, in calls of at most `step` rows.
Values run(const Problem& p, Isa isa, int threads, Device device, Index first, Index rows, Index step) {
  ThreadPool pool(threads);
  const Compute compute{pool, ops_for(isa, Dtype::fp16), device};
  Values out(static_cast<std::size_t>(rows * kHeads * kDim), NAN);
  for (Index r = 0; r < rows; r += step) {
    attention(compute, p.q.data() + (first + r) * kHeads * kDim, kHeads * kDim, std::min(step, rows - r),
              first + r, kHeads, p.cache, out.data() + r * kHeads * kDim);
  }
  return out;
}

TEST(Attention, NothingButTheMeaningChangesABit) {
  const Index n = 150;
  const Problem p(n);
  for (const Device device : {Device::ieee, Device::exact, Device::a100, Device::h100, Device::v100}) {
    const Values expected = run(p, Isa::scalar, 1, device, 0, n, n);
    for (const Isa isa : available_isas()) {
      EXPECT_EQ(run(p, isa, 2, device, 0, n, n), expected);
      EXPECT_EQ(run(p, isa, 1, device, 0, n, 1), expected) << "decode steps";
      EXPECT_EQ(run(p, isa, 1, device, 0, n, 37), expected) << "uneven chunks";
    }
  }
}

TEST(Attention, IsCausalSoftmaxWithinItsErrorBound) {
  const Index n = 150;
  const Problem p(n);
  const Values out = run(p, fastest_isa(), 1, Device::ieee, 0, n, n);
  for (Index t = 0; t < n; t += 7) {
    for (Index h = 0; h < kHeads; ++h) {
      const Index kv = h * kKvHeads / kHeads;
      std::vector<double> weights;
      double total = 0;
      for (Index j = 0; j <= t; ++j) {
        double score = 0;
        for (Index d = 0; d < kDim; ++d) {
          score += double{p.q[static_cast<std::size_t>((t * kHeads + h) * kDim + d)]} *
                   double{p.k[static_cast<std::size_t>((j * kKvHeads + kv) * kDim + d)]};
        }
        weights.push_back(score / 8.0);
      }
      const double max = *std::max_element(weights.begin(), weights.end());
      for (double& weight : weights) total += weight = std::exp(weight - max);
      for (Index d = 0; d < kDim; ++d) {
        double expected = 0;
        double magnitude = 0;
        double absolute = 0x1p-24;  // the result's own rounding, where it is subnormal in FP16
        for (Index j = 0; j <= t; ++j) {
          const double term = weights[static_cast<std::size_t>(j)] / total *
                              double{p.v[static_cast<std::size_t>((j * kKvHeads + kv) * kDim + d)]};
          expected += term;
          absolute += 0x1p-25 *
                      std::fabs(double{p.v[static_cast<std::size_t>((j * kKvHeads + kv) * kDim + d)]}) /
                      total;
          magnitude += std::fabs(term);
        }
        // FP16 rounding of each p (2^-11 relative; 2^-25 absolute where subnormal) and of the result (2^-11);
        // FP32 errors (scores below 64, 150 terms) stay below 2^-11.
        const double bound = 3 * 0x1p-11 * magnitude + absolute;
        EXPECT_NEAR(out[static_cast<std::size_t>((t * kHeads + h) * kDim + d)], expected, bound);
      }
    }
  }
}

TEST(Attention, AShiftedPositionIsNoticed) {
  const Problem p(40);
  const Values right = run(p, fastest_isa(), 1, Device::ieee, 20, 1, 1);
  ThreadPool pool(1);
  Values shifted(right.size());
  attention({pool, ops_for(fastest_isa(), Dtype::fp16), Device::ieee}, p.q.data() + 20 * kHeads * kDim,
            kHeads * kDim, 1, 19, kHeads, p.cache, shifted.data());
  EXPECT_NE(right, shifted);
}

}  // namespace
}  // namespace assay
