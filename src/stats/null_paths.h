// Random paths on which the hypotheses of e_process.h are true, for the test and the bench of their validity:
// how often does evidence against the truth ever reach 1 / alpha?
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "stats/e_process.h"
#include "stats/test_draws.h"

namespace assay {

inline constexpr std::array<double, 3> kAlphas = {0.05, 0.01, 0.001};

// Paths that reached 1 / alpha at any time, by kAlphas. `largest_of` plays one path: its largest ln e.
inline std::array<Index, kAlphas.size()> count_crossings(
    Index paths, std::uint64_t seed, const std::function<double(SplitMix64&)>& largest_of) {
  std::array<Index, kAlphas.size()> crossed = {};
  for (Index path = 0; path < paths; ++path) {
    SplitMix64 random(seed_of_part(seed, static_cast<std::uint64_t>(path)));
    const double largest = largest_of(random);
    for (std::size_t i = 0; i < kAlphas.size(); ++i) crossed[i] += largest >= -std::log(kAlphas[i]) ? 1 : 0;
  }
  return crossed;
}

struct ScoreLaw {
  std::string name;
  std::function<double(SplitMix64&)> draw;  // one position of a prompt
};

inline std::vector<ScoreLaw> score_laws() {
  const auto heavy = [](SplitMix64& random) { return std::fabs(draw_student(random, 2)); };
  const auto ties = [heavy](SplitMix64& random) { return std::min(4.0, std::floor(heavy(random) / 2)); };
  const auto infinite = [heavy](SplitMix64& random) {
    return draw_unit(random) < 0.01 ? std::numeric_limits<double>::infinity() : heavy(random);
  };
  return {{"heavy tail", heavy}, {"ties", ties}, {"heavy tail with infinities", infinite}};
}

// Prompts of 1 to 8 positions, 100 for calibration and 40 that are looked at after every position. Process
// has the members of ConformalEProcess; its scores are `scale` times those of calibration, so 1 is the truth.
template <class Process>
double largest_conformal(SplitMix64& random, const ScoreLaw& law, double scale = 1) {
  std::vector<double> calibration(100);
  for (double& score : calibration) {
    for (Index n = 1 + draw_below(random, 8); n > 0; --n) score = std::max(score, law.draw(random));
  }
  Process process(std::move(calibration));
  double largest = 0;
  for (int prompt = 0; prompt < 40; ++prompt) {
    double score = 0;
    for (Index n = 1 + draw_below(random, 8); n > 0; --n) {
      score = std::max(score, scale * law.draw(random));
      largest = std::max(largest, process.log_e_value(score));
    }
    process.finish(score);
    largest = std::max(largest, process.log_e());
  }
  return largest;
}

struct MeanLaw {
  std::string name;
  double cap;
  // The next observation; its mean after clipping at `cap`, given the past, is exactly 1.
  std::function<double(SplitMix64&, const BoundedMeanEProcess& past, double cap)> draw;
};

// x0 of y = x0 / uniform with E[min(y, cap)] = x0 (1 + ln(cap / x0)) = 1, by bisection.
inline double clipped_pareto_start(double cap) {
  double low = 0;
  double high = 1;
  for (int i = 0; i < 60; ++i) {
    const double x0 = (low + high) / 2;
    (x0 * (1 + std::log(cap / x0)) < 1 ? low : high) = x0;
  }
  return low;
}

inline std::vector<MeanLaw> mean_laws() {
  const auto two_points = [](SplitMix64& random, const BoundedMeanEProcess&, double cap) {
    return draw_unit(random) < 1 / cap ? std::numeric_limits<double>::infinity() : 0.0;
  };
  const auto pareto = [x0 = clipped_pareto_start(5)](SplitMix64& random, const BoundedMeanEProcess&, double) {
    return x0 / draw_unit(random);
  };
  // Plays for small stakes while behind and for the highest when ahead.
  const auto opponent = [two_points](SplitMix64& random, const BoundedMeanEProcess& past, double cap) {
    if (past.log_e() > 0) return two_points(random, past, cap);
    return draw_unit(random) < 0.5 ? 0.0 : 2.0;
  };
  return {{"0 or cap", 5, two_points},
          {"0 or cap, cap 20", 20, two_points},
          {"clipped Pareto", 5, pareto},
          {"depends on the past", 5, opponent}};
}

// 40 cap observations times `scale`, against the hypothesis that their mean is at least 1: 1 is its edge.
inline double largest_bounded_mean(SplitMix64& random, const MeanLaw& law, double scale = 1) {
  BoundedMeanEProcess process(1, law.cap);
  for (int i = 0; i < 40 * law.cap; ++i) {
    process.add(scale * std::min(law.draw(random, process, law.cap), law.cap));
  }
  return process.log_max();
}

}  // namespace assay
