#include "record/record.h"

#include <algorithm>

namespace assay {

const TokenScore* find_score(std::span<const TokenScore> scores, TokenId id) {
  const auto found =
      std::find_if(scores.begin(), scores.end(), [id](const TokenScore& score) { return score.id == id; });
  return found == scores.end() ? nullptr : &*found;
}

const PositionScores* find_position(std::span<const PositionScores> phase, Index position) {
  const auto found = std::find_if(phase.begin(), phase.end(), [position](const PositionScores& scores) {
    return scores.position == position;
  });
  return found == phase.end() ? nullptr : &*found;
}

std::string lookup(const Environment& environment, std::string_view key) {
  for (const auto& [name, value] : environment) {
    if (name == key) return value;
  }
  return "";
}

std::string verifier_name(const Setup& setup, const std::vector<Setup>& setups) {
  const auto namesakes = std::count_if(setups.begin(), setups.end(),
                                       [&](const Setup& other) { return other.name == setup.name; });
  return namesakes > 1 ? setup.name + "@" + setup.device : setup.name;
}

const Setup* find_verifier(const std::vector<Setup>& setups, std::string_view verifier) {
  const auto found = std::find_if(setups.begin(), setups.end(), [&](const Setup& setup) {
    return verifier_name(setup, setups) == verifier;
  });
  return found == setups.end() ? nullptr : &*found;
}

std::string setup_name(const std::vector<Setup>& setups, const std::string& verifier) {
  const Setup* setup = find_verifier(setups, verifier);
  return setup == nullptr ? verifier : setup->name;
}

const char* word(DistanceRule rule) { return rule == DistanceRule::seed ? "seed" : "every_id"; }

std::optional<DistanceRule> distance_rule(std::string_view name) {
  for (const DistanceRule rule : {DistanceRule::every_id, DistanceRule::seed}) {
    if (name == word(rule)) return rule;
  }
  return std::nullopt;
}

const char* word(Sampler sampler) {
  switch (sampler) {
    case Sampler::exponential_race:
      return "exponential_race";
    case Sampler::inverse_cdf:
      return "inverse_cdf";
    case Sampler::greedy:
      break;
  }
  return "greedy";
}

std::optional<Sampler> sampler(std::string_view name) {
  for (const Sampler sampler : {Sampler::greedy, Sampler::exponential_race, Sampler::inverse_cdf}) {
    if (name == word(sampler)) return sampler;
  }
  return std::nullopt;
}

}  // namespace assay
