#include "engine/native/sampling.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "base/error.h"
#include "engine/native/philox.h"
#include "engine/native/score_logits.h"
#include "number/transcendental.h"

namespace assay {
namespace {

constexpr Index kBlock = 256;  // threads of a block of torch's kernel
constexpr Index kLanes = 4;    // numbers of one Philox draw

float at(std::span<const float> values, TokenId id) { return values[static_cast<std::size_t>(id)]; }

// A token that is not chosen has a margin, however small the difference.
float positive(float margin) { return std::max(margin, std::numeric_limits<float>::denorm_min()); }

std::vector<float> scaled(std::span<const float> logits, double temperature) {
  const auto t = static_cast<float>(temperature);
  std::vector<float> x(logits.begin(), logits.end());
  for (float& logit : x) logit /= t;
  return x;
}

// exp(x_i - max), the numerators of the softmax.
std::vector<float> exponentials(std::span<const float> x) {
  const float max = *std::max_element(x.begin(), x.end());
  std::vector<float> e(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) e[i] = portable_exp(x[i] - max);
  return e;
}

// In reduction lanes, as kernels/ops.h orders a row's sum.
float sum_of(std::span<const float> values) {
  std::array<float, kReductionLanes> lanes = {};
  for (std::size_t i = 0; i < values.size(); ++i) lanes[i % kReductionLanes] += values[i];
  for (std::size_t width = kReductionLanes / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

// The race of one row: probability / noise, the largest wins.
struct Race {
  std::vector<float> x;      // logits / T
  std::vector<float> noise;  // Exp(1)
  TokenId winner = 0;

  Race(std::span<const float> logits, const Draw& draw)
      : x(scaled(logits, draw.sampling.temperature)), noise(logits.size()) {
    torch_uniforms(draw.sampling.seed, draw.step, draw.threads, noise);
    for (float& q : noise) q = exponential_noise(q);
    std::vector<float> ratios = exponentials(x);
    const float sum = sum_of(ratios);
    for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] = ratios[i] / sum / noise[i];
    winner = most_likely(ratios);
  }

  // In logarithms, so that the margin of a probability that underflows is finite.
  float margin(TokenId token) const {
    if (token == winner) return 0;
    const float gain = at(x, winner) - at(x, token);
    const float luck = portable_log(at(noise, token)) - portable_log(at(noise, winner));
    return positive(gain + luck);
  }
};

// The draw among the cumulative sums of one row, in id order; no normalisation.
struct Ladder {
  std::vector<float> cumulative;
  float threshold = 0;  // of the total, in (0, total]
  TokenId chosen = 0;

  Ladder(std::span<const float> logits, const Draw& draw)
      : cumulative(exponentials(scaled(logits, draw.sampling.temperature))) {
    for (std::size_t i = 1; i < cumulative.size(); ++i) cumulative[i] += cumulative[i - 1];
    const auto draws = curand_draws(draw.sampling.seed, 0, static_cast<std::uint64_t>(draw.step));
    threshold = curand_uniform(draws[0]) * cumulative.back();
    chosen = static_cast<TokenId>(std::lower_bound(cumulative.begin(), cumulative.end(), threshold) -
                                  cumulative.begin());
  }

  float margin(TokenId token) const {
    if (token == chosen) return 0;
    const float edge = token < chosen ? at(cumulative, token) : at(cumulative, token - 1);
    const float distance = token < chosen ? threshold - edge : edge - threshold;
    return positive(distance / cumulative.back());
  }
};

}  // namespace

Index noise_threads(const DeviceSpec& device, Index count) {
  const Index needed = (count + kBlock - 1) / kBlock;
  if (!is_gpu(device.device)) return kBlock * needed;
  const Index resident = device.sm_count * (max_threads_per_sm(device) / kBlock);
  return kBlock * std::min(needed, resident);
}

void torch_uniforms(std::uint64_t seed, Index call, Index threads, std::span<float> out) {
  require(threads > 0 && call >= 0, "a kernel has threads, and calls are counted from 0");
  const auto count = static_cast<Index>(out.size());
  const Index round = threads * kLanes;  // elements of one draw of every thread
  const Index blocks = (count + round - 1) / round;
  for (Index block = 0; block < blocks; ++block) {
    const Index first = block * round;
    for (Index thread = 0; thread < std::min(threads, count - first); ++thread) {
      const auto draws = curand_draws(seed, static_cast<std::uint64_t>(thread),
                                      static_cast<std::uint64_t>(call * blocks + block));
      for (Index lane = 0; lane < kLanes; ++lane) {
        const Index element = first + thread + lane * threads;
        if (element >= count) break;
        out[static_cast<std::size_t>(element)] = curand_uniform(draws[static_cast<std::size_t>(lane)]);
      }
    }
  }
}

float exponential_noise(float uniform) {
  return uniform >= 1.0F - 0x1p-24F ? 0x1p-24F : -portable_log(uniform);
}

TokenId choose_token(std::span<const float> logits, const Draw& draw) {
  switch (draw.sampling.sampler) {
    case Sampler::exponential_race:
      return Race(logits, draw).winner;
    case Sampler::inverse_cdf:
      return Ladder(logits, draw).chosen;
    case Sampler::greedy:
      break;
  }
  return most_likely(logits);
}

TokenCheck check_token(const Ops& ops, std::span<const float> logits, TokenId token, const Draw& draw) {
  const TokenId asked[] = {token};
  const TokenScore score = score_logits(ops, logits, asked, 0).front();
  TokenCheck check{.rank = score.rank, .logprob = score.logprob};
  switch (draw.sampling.sampler) {
    case Sampler::exponential_race:
      check.margin = Race(logits, draw).margin(token);
      break;
    case Sampler::inverse_cdf:
      check.margin = Ladder(logits, draw).margin(token);
      break;
    case Sampler::greedy:
      check.margin = at(logits, most_likely(logits)) - at(logits, token);
      break;
  }
  return check;
}

}  // namespace assay
