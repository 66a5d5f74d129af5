#include "record/token_checks_json.h"

#include <fmt/format.h>

#include "record/json_codec.h"

namespace assay {

Json token_checks_to_json(const std::vector<TokenCheck>& checks) {
  Json positions = Json::array();
  Json ranks = Json::array();
  Json margins = Json::array();
  Json logprobs = Json::array();
  for (const TokenCheck& check : checks) {
    positions.push_back(check.position);
    ranks.push_back(check.rank);
    margins.push_back(static_cast<double>(check.margin));
    logprobs.push_back(static_cast<double>(check.logprob));
  }
  return {{"positions", std::move(positions)},
          {"ranks", std::move(ranks)},
          {"margins", std::move(margins)},
          {"logprobs", std::move(logprobs)}};
}

Result<std::vector<TokenCheck>> token_checks_from_json(const Json& object, const std::string& file,
                                                       const std::string& key) {
  static constexpr std::string_view kKnown[] = {"positions", "ranks", "margins", "logprobs"};
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  const std::string where = file + ": " + key;
  if (const auto known = refuse_unknown_keys(**json, where, kKnown); !known) return known.error();
  const auto positions = json_get_array<Index>(**json, where, "positions");
  const auto ranks = json_get_array<std::int32_t>(**json, where, "ranks");
  const auto margins = json_get_array<float>(**json, where, "margins");
  const auto logprobs = json_get_array<float>(**json, where, "logprobs");
  if (!positions) return positions.error();
  if (!ranks) return ranks.error();
  if (!margins) return margins.error();
  if (!logprobs) return logprobs.error();
  const std::size_t count = positions->size();
  if (ranks->size() != count || margins->size() != count || logprobs->size() != count) {
    return Error{where, "positions", "lists of one length",
                 fmt::format("{}, {}, {} and {}", count, ranks->size(), margins->size(), logprobs->size())};
  }
  std::vector<TokenCheck> checks;
  for (std::size_t i = 0; i < count; ++i) {
    checks.push_back({.position = (*positions)[i],
                      .rank = (*ranks)[i],
                      .margin = (*margins)[i],
                      .logprob = (*logprobs)[i]});
  }
  return checks;
}

}  // namespace assay
