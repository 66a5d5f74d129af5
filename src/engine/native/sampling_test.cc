#include "engine/native/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "engine/native/philox.h"

namespace assay {
namespace {

const Ops& ops() { return ops_for(fastest_isa(), Dtype::fp16); }

const std::vector<float> kLogits = {0.5F, -1.0F, 2.0F, 0.0F, 1.5F, -3.0F, 2.5F, 1.0F};

Draw draw_of(Sampler sampler, double temperature, std::uint64_t seed, Index step) {
  return {{sampler, temperature, seed}, step, noise_threads(spec_of(Device::a100), 8)};
}

// Pearson's statistic of `draws` tokens against the softmax of kLogits / temperature.
double chi_square(Sampler sampler, double drawn_at, double temperature) {
  constexpr int kSeeds = 200;
  constexpr int kSteps = 100;
  std::vector<double> counts(kLogits.size());
  for (int seed = 0; seed < kSeeds; ++seed) {
    for (int step = 0; step < kSteps; ++step) {
      const Draw draw =
          draw_of(sampler, drawn_at, static_cast<std::uint64_t>(seed) + 0x1234567800000000U, step);
      ++counts[static_cast<std::size_t>(choose_token(kLogits, draw))];
    }
  }
  double sum = 0;
  for (const float x : kLogits) sum += std::exp(static_cast<double>(x) / temperature);
  double statistic = 0;
  for (std::size_t i = 0; i < kLogits.size(); ++i) {
    const double expected = kSeeds * kSteps * std::exp(static_cast<double>(kLogits[i]) / temperature) / sum;
    statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return statistic;
}

TEST(Sampling, FrequenciesAreTheSoftmax) {
  // Chi-square of k = 7 degrees of freedom exceeds k + 2 sqrt(k t) + 2 t with probability exp(-t) at most
  // (Laurent and Massart 2000, lemma 1); t = 14: one in a million.
  const double limit = 7 + 2 * std::sqrt(7 * 14.0) + 2 * 14;
  for (const Sampler sampler : {Sampler::exponential_race, Sampler::inverse_cdf}) {
    EXPECT_LT(chi_square(sampler, 0.7, 0.7), limit) << word(sampler);
    EXPECT_LT(chi_square(sampler, 1.5, 1.5), limit) << word(sampler);
    EXPECT_GT(chi_square(sampler, 0.7, 0.8), limit) << word(sampler) << ": the test can fail";
  }
}

TEST(Sampling, AMarginIsZeroForTheChosenTokenOnly) {
  for (const Sampler sampler : {Sampler::exponential_race, Sampler::inverse_cdf, Sampler::greedy}) {
    for (Index step = 0; step < 50; ++step) {
      const Draw draw = draw_of(sampler, sampler == Sampler::greedy ? 0 : 0.7, 3, step);
      const TokenId chosen = choose_token(kLogits, draw);
      for (TokenId token = 0; token < 8; ++token) {
        const TokenCheck check = check_token(ops(), kLogits, token, draw);
        EXPECT_EQ(check.margin == 0, token == chosen) << word(sampler) << " " << step << " " << token;
        EXPECT_TRUE(check.margin >= 0 && std::isfinite(check.margin));
        EXPECT_LE(check.logprob, 0);
      }
    }
  }
}

TEST(Sampling, GreedyRanksTiesByIdAndGivesThemNoMargin) {
  const std::vector<float> logits = {1.0F, 3.0F, 3.0F, 0.5F};
  const Draw greedy = draw_of(Sampler::greedy, 0, 0, 0);
  EXPECT_EQ(choose_token(logits, greedy), 1);
  const TokenCheck tied = check_token(ops(), logits, 2, greedy);
  EXPECT_EQ(tied.rank, 2);
  EXPECT_EQ(tied.margin, 0);
  const TokenCheck last = check_token(ops(), logits, 3, greedy);
  EXPECT_EQ(last.rank, 4);
  EXPECT_EQ(last.margin, 2.5F);
}

TEST(Sampling, MarginsOfAnInverseCdfAreDistancesOfTheDraw) {
  const std::vector<float> logits(4, 1.0F);  // intervals of a quarter
  for (Index step = 0; step < 20; ++step) {
    const Draw draw = draw_of(Sampler::inverse_cdf, 1, 11, step);
    const float u = curand_uniform(curand_draws(11, 0, static_cast<std::uint64_t>(step))[0]);
    EXPECT_EQ(choose_token(logits, draw), static_cast<TokenId>(std::ceil(u * 4)) - 1);
    EXPECT_NEAR(check_token(ops(), logits, 0, draw).margin, std::max(u - 0.25F, 0.0F), 0x1p-22);
    EXPECT_NEAR(check_token(ops(), logits, 3, draw).margin, std::max(0.75F - u, 0.0F), 0x1p-22);
  }
}

TEST(Sampling, MarginsOfARaceAreLogarithmsOfRatios) {
  const Draw draw = draw_of(Sampler::exponential_race, 0.7, 5, 2);
  std::vector<float> noise(8);
  torch_uniforms(5, 2, draw.threads, noise);
  std::vector<double> log_ratios;
  for (std::size_t i = 0; i < 8; ++i) {
    log_ratios.push_back(static_cast<double>(kLogits[i]) / 0.7 -
                         std::log(-std::log(static_cast<double>(noise[i]))));
  }
  const double best = *std::max_element(log_ratios.begin(), log_ratios.end());
  for (TokenId token = 0; token < 8; ++token) {
    // Logits and logarithms below 8 in FP32, a dozen roundings of half an ULP (2^-22) and log's ULP: 2^-18.
    EXPECT_NEAR(check_token(ops(), kLogits, token, draw).margin,
                best - log_ratios[static_cast<std::size_t>(token)], 0x1p-18);
  }
}

TEST(Sampling, AnUnderflowingProbabilityHasAFiniteMargin) {
  const std::vector<float> logits = {0.0F, 200.0F};
  const Draw race = draw_of(Sampler::exponential_race, 0.01, 1, 0);
  EXPECT_EQ(choose_token(logits, race), 1);
  EXPECT_NEAR(check_token(ops(), logits, 0, race).margin, 20000, 40);  // noise is worth 2 ln(23) + 17 at most
  const Draw walk = draw_of(Sampler::inverse_cdf, 0.01, 1, 0);
  EXPECT_EQ(choose_token(logits, walk), 1);
  EXPECT_GT(check_token(ops(), logits, 0, walk).margin, 0);
}

TEST(Noise, IsDealtAsTheThreadsOfTorchsKernelTakeIt) {
  constexpr Index kThreads = 256;
  constexpr Index kCount = 3000;  // three draws of each thread
  std::vector<float> uniforms(kCount);
  torch_uniforms(42, 7, kThreads, uniforms);
  for (Index element = 0; element < kCount; ++element) {
    const Index round = element / (4 * kThreads);
    const Index lane = element % (4 * kThreads) / kThreads;
    const auto draws = curand_draws(42, static_cast<std::uint64_t>(element % kThreads),
                                    static_cast<std::uint64_t>(7 * 3 + round));
    EXPECT_EQ(uniforms[static_cast<std::size_t>(element)],
              curand_uniform(draws[static_cast<std::size_t>(lane)]));
  }
}

TEST(Noise, ThreadsAreWhatTheElementsNeedAndTheDeviceHolds) {
  const auto threads = [](Device device, Index count) { return noise_threads(spec_of(device), count); };
  EXPECT_EQ(threads(Device::a100, 4096), 4096);
  EXPECT_EQ(threads(Device::a100, 151936), 594 * 256);
  EXPECT_EQ(threads(Device::a100, 1000000), 108 * 2048);
  EXPECT_EQ(threads(Device::l4, 151936), 58 * 1536);
  EXPECT_EQ(threads(Device::t4, 151936), 40 * 1024);
  EXPECT_EQ(threads(Device::ieee, 1000000), 3907 * 256);
}

TEST(Noise, IsExponentialAndNeverZero) {
  EXPECT_EQ(exponential_noise(1.0F), 0x1p-24F);
  EXPECT_EQ(exponential_noise(std::nextafter(1.0F, 0.0F)), 0x1p-24F);
  EXPECT_NEAR(exponential_noise(0.5F), 0.6931472F, 0x1p-24);
  EXPECT_NEAR(exponential_noise(0x1p-33F), 22.873856F, 0x1p-19);
}

}  // namespace
}  // namespace assay
