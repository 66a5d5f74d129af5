#include "record/json_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <type_traits>

#include "record/infinite_json.h"

namespace assay {
namespace {

std::string element_key(const std::string& key, std::size_t index) {
  return fmt::format("{}[{}]", key, index);
}

// object[key], or `absent` when the key is not there.
Result<Index> count_or(const Json& object, const std::string& file, const std::string& key, Index absent) {
  if (!object.contains(key)) return absent;
  auto count = json_get<Index>(object, file, key);
  if (count && *count < 0) return Error{file, key, "a count", std::to_string(*count)};
  return count;
}

Json phase_to_json(const PhaseComparison& phase) {
  Json json = {{"logprobs_mean", distance_to_json(phase.mean)},
               {"logprobs_max", distance_to_json(phase.max)}};
  if (phase.positions > 0) {
    json["positions"] = phase.positions;
    json["bit_equal"] = phase.bit_equal;
  }
  return json;
}

Result<PhaseComparison> phase_from_json(const Json& object, const std::string& file, const std::string& key) {
  static constexpr std::string_view kKnown[] = {"logprobs_mean", "logprobs_max", "positions", "bit_equal"};
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  if (const auto known = refuse_unknown_keys(**json, file, kKnown); !known) return known.error();
  const auto mean = distance_from_json(**json, file, "logprobs_mean");
  const auto max = distance_from_json(**json, file, "logprobs_max");
  const auto positions = count_or(**json, file, "positions", 0);
  const auto bit_equal = count_or(**json, file, "bit_equal", 0);
  if (!mean) return mean.error();
  if (!max) return max.error();
  if (!positions) return positions.error();
  if (!bit_equal) return bit_equal.error();
  return PhaseComparison{.mean = *mean, .max = *max, .positions = *positions, .bit_equal = *bit_equal};
}

struct Count {
  const char* key;
  Index Comparison::*member;
};
constexpr Count kCounts[] = {{"prompt_tokens", &Comparison::prompt_tokens},
                             {"generated_tokens", &Comparison::generated_tokens},
                             {"ranked_tokens", &Comparison::ranked_tokens},
                             {"top_tokens", &Comparison::top_tokens}};

Result<Comparison> comparison_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {
      "ref_idx",          "claimed_config", "verify_config",    "is_diagonal",   "prefill_distances",
      "decode_distances", "prompt_tokens",  "generated_tokens", "ranked_tokens", "top_tokens"};
  const auto reference = json_get<Index>(json, file, "ref_idx");
  if (!reference) return reference.error();
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  const auto claimed = json_get<std::string>(json, file, "claimed_config");
  const auto verifier = json_get<std::string>(json, file, "verify_config");
  const auto diagonal = json_get<bool>(json, file, "is_diagonal");
  if (!claimed) return claimed.error();
  if (!verifier) return verifier.error();
  if (!diagonal) return diagonal.error();
  if (*diagonal != (*claimed == *verifier)) {
    return Error{file, "is_diagonal", fmt::format("{} for {} under {}", !*diagonal, *claimed, *verifier),
                 fmt::format("{}", *diagonal)};
  }
  const auto prefill = phase_from_json(json, file, "prefill_distances");
  const auto decode = phase_from_json(json, file, "decode_distances");
  if (!prefill) return prefill.error();
  if (!decode) return decode.error();
  Comparison comparison{.reference = *reference,
                        .claimed = *claimed,
                        .verifier = *verifier,
                        .prefill = *prefill,
                        .decode = *decode};
  for (const auto& [key, member] : kCounts) {
    const auto count = count_or(json, file, key, 0);
    if (!count) return count.error();
    comparison.*member = *count;
  }
  return comparison;
}

}  // namespace

Result<const Json*> json_get_object(const Json& object, const std::string& file, const std::string& key) {
  if (!object.is_object() || !object.contains(key)) return Error{file, key, "an object", "nothing"};
  if (!object.at(key).is_object()) return Error{file, key, "an object", describe(object.at(key))};
  return &object.at(key);
}

Result<const Json*> json_get_list(const Json& object, const std::string& file, const std::string& key) {
  if (!object.is_object() || !object.contains(key)) return Error{file, key, "an array", "nothing"};
  if (!object.at(key).is_array()) return Error{file, key, "an array", describe(object.at(key))};
  return &object.at(key);
}

template <class T>
Result<std::vector<T>> json_get_array(const Json& object, const std::string& file, const std::string& key) {
  const auto list = json_get_list(object, file, key);
  if (!list) return list.error();
  std::vector<T> values;
  values.reserve((*list)->size());
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    const Json& value = (**list)[i];
    const Error wrong{file, element_key(key, i), json_kind<T>(), describe(value)};
    if constexpr (std::is_same_v<T, std::string>) {
      if (!value.is_string()) return wrong;
      values.push_back(value.get<std::string>());
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!value.is_number()) return wrong;
      values.push_back(static_cast<T>(value.get<double>()));
    } else {
      if (!value.is_number_integer() || !std::in_range<T>(value.get<std::int64_t>())) return wrong;
      values.push_back(static_cast<T>(value.get<std::int64_t>()));
    }
  }
  return values;
}

template Result<std::vector<std::string>> json_get_array<std::string>(const Json&, const std::string&,
                                                                      const std::string&);
template Result<std::vector<TokenId>> json_get_array<TokenId>(const Json&, const std::string&,
                                                              const std::string&);
template Result<std::vector<Index>> json_get_array<Index>(const Json&, const std::string&,
                                                          const std::string&);
template Result<std::vector<float>> json_get_array<float>(const Json&, const std::string&,
                                                          const std::string&);

Json environment_to_json(const Environment& environment) {
  Json json = Json::object();
  for (const auto& [key, value] : environment) json[key] = value;
  return json;
}

Result<Environment> environment_from_json(const Json& object, const std::string& file,
                                          const std::string& key) {
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  Environment environment;
  for (const auto& [name, value] : (*json)->items()) {
    if (value.is_structured()) return Error{file, key + "." + name, "a text or a number", describe(value)};
    environment.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return environment;
}

Json pairs_to_json(const std::vector<SetupPair>& pairs) {
  Json json = Json::array();
  for (const auto& [first, second] : pairs) json.push_back(Json::array({first, second}));
  return json;
}

Result<std::vector<SetupPair>> pairs_from_json(const Json& object, const std::string& file,
                                               const std::string& key) {
  const auto list = json_get_list(object, file, key);
  if (!list) return list.error();
  std::vector<SetupPair> pairs;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    const Json& pair = (**list)[i];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return Error{file, element_key(key, i), "two setup names", describe(pair)};
    }
    pairs.emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return pairs;
}

Json noise_floors_to_json(const std::vector<NoiseFloor>& floors) {
  Json json = Json::object();
  for (const NoiseFloor& floor : floors) {
    json[floor.setup] = {{"decode", distance_to_json(floor.decode)},
                         {"prefill", distance_to_json(floor.prefill)}};
    if (floor.runs > 0) json[floor.setup]["runs"] = floor.runs;
  }
  return json;
}

Result<std::vector<NoiseFloor>> noise_floors_from_json(const Json& object, const std::string& file,
                                                       const std::string& key) {
  static constexpr std::string_view kKnown[] = {"decode", "prefill", "runs"};
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  std::vector<NoiseFloor> floors;
  for (const auto& [setup, floor] : (*json)->items()) {
    const std::string where = file + ": " + key + "." + setup;
    if (!floor.is_object()) return Error{file, key + "." + setup, "an object", describe(floor)};
    if (const auto known = refuse_unknown_keys(floor, where, kKnown); !known) return known.error();
    const auto prefill = distance_from_json(floor, where, "prefill");
    const auto decode = distance_from_json(floor, where, "decode");
    const auto runs = count_or(floor, where, "runs", 0);
    if (!prefill) return prefill.error();
    if (!decode) return decode.error();
    if (!runs) return runs.error();
    floors.push_back({.setup = setup, .prefill = *prefill, .decode = *decode, .runs = *runs});
  }
  return floors;
}

Json comparisons_to_json(const std::vector<Comparison>& comparisons) {
  Json json = Json::array();
  for (const Comparison& comparison : comparisons) {
    Json entry = {{"ref_idx", comparison.reference},
                  {"claimed_config", comparison.claimed},
                  {"verify_config", comparison.verifier},
                  {"is_diagonal", comparison.claimed == comparison.verifier},
                  {"prefill_distances", phase_to_json(comparison.prefill)},
                  {"decode_distances", phase_to_json(comparison.decode)}};
    for (const auto& [key, member] : kCounts) {
      if (comparison.*member > 0) entry[key] = comparison.*member;
    }
    json.push_back(std::move(entry));
  }
  return json;
}

Result<std::vector<Comparison>> comparisons_from_json(const Json& object, const std::string& file,
                                                      const std::string& key) {
  const auto list = json_get_list(object, file, key);
  if (!list) return list.error();
  std::vector<Comparison> comparisons;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    auto comparison = comparison_from_json((**list)[i], file + ": " + element_key(key, i));
    if (!comparison) return comparison.error();
    comparisons.push_back(*std::move(comparison));
  }
  return comparisons;
}

}  // namespace assay
