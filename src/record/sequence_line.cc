#include "record/sequence_line.h"

#include <fmt/format.h>

#include "base/json.h"
#include "record/json_codec.h"
#include "record/sequence_head.h"
#include "record/token_checks_json.h"

namespace assay {
namespace {

Json phase_to_json(const std::vector<PositionScores>& phase) {
  Json positions = Json::array();
  for (const PositionScores& position : phase) {
    Json ids = Json::array();
    Json logprobs = Json::array();
    Json ranks = Json::array();
    for (const TokenScore& score : position.scores) {
      ids.push_back(score.id);
      logprobs.push_back(static_cast<double>(score.logprob));
      ranks.push_back(score.rank);
    }
    positions.push_back({{"position", position.position},
                         {"ids", std::move(ids)},
                         {"logprobs", std::move(logprobs)},
                         {"ranks", std::move(ranks)}});
  }
  return positions;
}

Result<PositionScores> position_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"position", "ids", "logprobs", "ranks"};
  const auto position = json_get<Index>(json, file, "position");
  if (!position) return position.error();
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  const auto ids = json_get_array<TokenId>(json, file, "ids");
  const auto logprobs = json_get_array<float>(json, file, "logprobs");
  const auto ranks = json_get_array<std::int32_t>(json, file, "ranks");
  if (!ids) return ids.error();
  if (!logprobs) return logprobs.error();
  if (!ranks) return ranks.error();
  if (ids->size() != logprobs->size() || ids->size() != ranks->size()) {
    return Error{file, "logprobs", fmt::format("{} log-probabilities and ranks", ids->size()),
                 fmt::format("{} and {}", logprobs->size(), ranks->size())};
  }
  PositionScores scores{.position = *position, .scores = {}};
  for (std::size_t i = 0; i < ids->size(); ++i) {
    scores.scores.push_back({.id = (*ids)[i], .logprob = (*logprobs)[i], .rank = (*ranks)[i]});
  }
  return scores;
}

Result<std::vector<PositionScores>> phase_from_json(const Json& object, const std::string& file,
                                                    const std::string& key) {
  const auto list = json_get_list(object, file, key);
  if (!list) return list.error();
  std::vector<PositionScores> phase;
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    auto position = position_from_json((**list)[i], fmt::format("{}: {}[{}]", file, key, i));
    if (!position) return position.error();
    phase.push_back(*std::move(position));
  }
  return phase;
}

}  // namespace

std::string to_line(const Generation& generation) {
  Json json = {{"setup", generation.setup},
               {"reference", generation.reference},
               {"prompt_ids", generation.prompt_ids},
               {"generated_ids", generation.generated_ids},
               {"prefill", phase_to_json(generation.prefill)},
               {"decode", phase_to_json(generation.decode)}};
  put_served(generation.served, json);
  return json.dump();
}

std::string to_line(const Reexecution& run) {
  Json json = {{"claimed", run.claimed},
               {"verifier", run.verifier},
               {"reference", run.reference},
               {"prefill", phase_to_json(run.prefill)},
               {"decode", phase_to_json(run.decode)},
               {"tokens", token_checks_to_json(run.tokens)}};
  put_served(run.served, json);
  return json.dump();
}

Result<Generation> generation_from_line(std::string_view line, const std::string& file) {
  const auto json = parse_json(line, file);
  if (!json) return json.error();
  return read_generation_head(*json, file, [&](const Json& object, const std::string& key) {
    return phase_from_json(object, file, key);
  });
}

Result<Reexecution> reexecution_from_line(std::string_view line, const std::string& file) {
  const auto json = parse_json(line, file);
  if (!json) return json.error();
  return read_reexecution_head(*json, file, [&](const Json& object, const std::string& key) {
    return phase_from_json(object, file, key);
  });
}

}  // namespace assay
