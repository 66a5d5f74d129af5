#include <fmt/format.h>

#include "record/infinite_json.h"
#include "record/json_codec.h"

namespace assay {
namespace {

Json phase_to_json(const PhaseComparison& phase) {
  Json json = {{"logprobs_mean", distance_to_json(phase.mean)},
               {"logprobs_max", distance_to_json(phase.max)}};
  if (phase.positions > 0) {
    json["positions"] = phase.positions;
    json["bit_equal"] = phase.bit_equal;
  }
  if (phase.first_difference > 0) json["first_difference"] = phase.first_difference;
  return json;
}

Result<PhaseComparison> phase_from_json(const Json& object, const std::string& file, const std::string& key) {
  static constexpr std::string_view kKnown[] = {"logprobs_mean", "logprobs_max", "positions", "bit_equal",
                                                "first_difference"};
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  if (const auto known = refuse_unknown_keys(**json, file, kKnown); !known) return known.error();
  const auto mean = distance_from_json(**json, file, "logprobs_mean");
  const auto max = distance_from_json(**json, file, "logprobs_max");
  const auto positions = json_count_or(**json, file, "positions", 0);
  const auto bit_equal = json_count_or(**json, file, "bit_equal", 0);
  const auto first_difference = json_count_or(**json, file, "first_difference", 0);
  if (!mean) return mean.error();
  if (!max) return max.error();
  if (!positions) return positions.error();
  if (!bit_equal) return bit_equal.error();
  if (!first_difference) return first_difference.error();
  return PhaseComparison{.mean = *mean,
                         .max = *max,
                         .positions = *positions,
                         .bit_equal = *bit_equal,
                         .first_difference = *first_difference};
}

struct Count {
  const char* key;
  Index Comparison::*member;
};
constexpr Count kCounts[] = {{"prompt_tokens", &Comparison::prompt_tokens},
                             {"generated_tokens", &Comparison::generated_tokens},
                             {"ranked_tokens", &Comparison::ranked_tokens},
                             {"top_tokens", &Comparison::top_tokens}};

bool on_diagonal(const std::string& claimed, const std::string& verifier, const std::vector<Setup>& setups) {
  return claimed == setup_name(setups, verifier);
}

Result<Comparison> comparison_from_json(const Json& json, const std::string& file,
                                        const std::vector<Setup>& setups) {
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
  if (*diagonal != on_diagonal(*claimed, *verifier, setups)) {
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
    const auto count = json_count_or(json, file, key, 0);
    if (!count) return count.error();
    comparison.*member = *count;
  }
  return comparison;
}

}  // namespace

Json comparisons_to_json(const std::vector<Comparison>& comparisons, const std::vector<Setup>& setups) {
  Json json = Json::array();
  for (const Comparison& comparison : comparisons) {
    Json entry = {{"ref_idx", comparison.reference},
                  {"claimed_config", comparison.claimed},
                  {"verify_config", comparison.verifier},
                  {"is_diagonal", on_diagonal(comparison.claimed, comparison.verifier, setups)},
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
                                                      const std::string& key,
                                                      const std::vector<Setup>& setups) {
  const auto list = json_get_list(object, file, key);
  if (!list) return list.error();
  std::vector<Comparison> comparisons;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    auto comparison = comparison_from_json((**list)[i], file + ": " + json_element(key, i), setups);
    if (!comparison) return comparison.error();
    comparisons.push_back(*std::move(comparison));
  }
  return comparisons;
}

}  // namespace assay
