#include "verify/precision.h"

#include <cmath>
#include <vector>

namespace assay {
namespace {

constexpr std::size_t kFewest = 8;  // a float is within a step of five decimals about once in ten times
constexpr int kMostDecimals = 5;

bool is_multiple(float logprob, double unit) {
  const auto value = static_cast<double>(logprob);
  const double step = std::fabs(value) * 0x1p-23;
  return std::fabs(value - std::round(value / unit) * unit) <= step;
}

std::vector<float> logprobs_of(const Generation& generation) {
  std::vector<float> logprobs;
  for (const auto* phase : {&generation.prefill, &generation.decode}) {
    for (const PositionScores& position : *phase) {
      for (const TokenScore& score : position.scores) logprobs.push_back(score.logprob);
    }
  }
  return logprobs;
}

std::optional<int> decimals_of(const std::vector<float>& logprobs) {
  if (logprobs.size() < kFewest) return std::nullopt;
  for (int decimals = 0; decimals <= kMostDecimals; ++decimals) {
    const double unit = std::pow(10.0, -decimals);
    bool all = true;
    for (const float logprob : logprobs) all &= is_multiple(logprob, unit);
    if (all) return decimals;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> decimals_of(const Generation& generation) { return decimals_of(logprobs_of(generation)); }

std::optional<int> decimals_within(const std::vector<const Generation*>& claim, const Generation& prompt) {
  std::vector<float> logprobs = logprobs_of(prompt);
  if (logprobs.size() >= kFewest) return decimals_of(logprobs);
  logprobs.clear();
  for (const Generation* other : claim) {
    const std::vector<float> more = logprobs_of(*other);
    logprobs.insert(logprobs.end(), more.begin(), more.end());
  }
  return decimals_of(logprobs);
}

}  // namespace assay
