#include "record/record.h"

namespace assay {

std::string lookup(const Environment& environment, std::string_view key) {
  for (const auto& [name, value] : environment) {
    if (name == key) return value;
  }
  return "";
}

const char* word(DistanceRule rule) { return rule == DistanceRule::seed ? "seed" : "every_id"; }

std::optional<DistanceRule> distance_rule(std::string_view name) {
  for (const DistanceRule rule : {DistanceRule::every_id, DistanceRule::seed}) {
    if (name == word(rule)) return rule;
  }
  return std::nullopt;
}

}  // namespace assay
