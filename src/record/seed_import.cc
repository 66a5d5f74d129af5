#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "record/check.h"
#include "record/json_codec.h"
#include "record/seed_json.h"
#include "record/seed_verification.h"

namespace assay {
namespace {

// What a list of scores is read against.
struct PhaseFrame {
  const char* signals;                 // the file's key: prefill_signals, decode_signals
  Index begin = 0;                     // first position of the phase
  const std::vector<TokenId>* tokens;  // of the phase
  Index top_k = 0;
};

// "pos_-3" of a phase of 100 tokens -> 97.
Result<Index> position_in_phase(const std::string& name, const PhaseFrame& frame, const std::string& file) {
  const auto size = static_cast<Index>(frame.tokens->size());
  Index offset = 0;
  const bool prefixed = name.starts_with("pos_-");
  const char* begin = name.data() + std::min<std::size_t>(4, name.size());
  const auto [end, problem] = std::from_chars(begin, name.data() + name.size(), offset);
  if (!prefixed || problem != std::errc() || end != name.data() + name.size() || offset < -size) {
    return Error{file, frame.signals, fmt::format("positions from pos_-{} to pos_-1", size), name};
  }
  return size + offset;
}

Result<PositionScores> scores_from_json(const Json& signal, TokenId own, Index top_k,
                                        const std::string& file) {
  static constexpr std::string_view kKnownSignal[] = {"logprobs"};
  static constexpr std::string_view kKnownScores[] = {"token_ids", "log_probs"};
  const auto json = json_get_object(signal, file, "logprobs");
  if (!json) return json.error();
  if (const auto known = refuse_unknown_keys(signal, file, kKnownSignal); !known) return known.error();
  if (const auto known = refuse_unknown_keys(**json, file, kKnownScores); !known) return known.error();
  const auto ids = json_get_array<TokenId>(**json, file, "token_ids");
  const auto logprobs = json_get_array<float>(**json, file, "log_probs");
  if (!ids) return ids.error();
  if (!logprobs) return logprobs.error();
  if (ids->size() != logprobs->size()) {
    return Error{file, "log_probs", fmt::format("{} log-probabilities", ids->size()),
                 std::to_string(logprobs->size())};
  }
  const auto count = static_cast<Index>(ids->size());
  if (count < 1 || count > top_k + 1) {
    return Error{file, "token_ids", fmt::format("1 to {} ids", top_k + 1), std::to_string(count)};
  }
  PositionScores position;
  for (std::size_t i = 0; i < ids->size(); ++i) position.scores.push_back({(*ids)[i], (*logprobs)[i], 0});
  std::stable_sort(position.scores.begin(), position.scores.end(),
                   [](const TokenScore& a, const TokenScore& b) { return a.logprob > b.logprob; });
  std::int32_t rank = 0;
  for (TokenScore& score : position.scores) score.rank = ++rank;
  TokenScore& last = position.scores.back();
  if (count == top_k + 1 && last.id == own) last.rank = 0;
  return position;
}

Result<std::vector<PositionScores>> phase_from_json(const Json& generation, const PhaseFrame& frame,
                                                    const std::string& file) {
  const auto signals = json_get_object(generation, file, frame.signals);
  if (!signals) return signals.error();
  std::vector<PositionScores> phase;
  for (const auto& [name, signal] : (*signals)->items()) {
    const auto at = position_in_phase(name, frame, file);
    if (!at) return at.error();
    const std::string where = fmt::format("{}: {}.{}", file, frame.signals, name);
    const TokenId own = (*frame.tokens)[static_cast<std::size_t>(*at)];
    auto position = scores_from_json(signal, own, frame.top_k, where);
    if (!position) return position.error();
    position->position = frame.begin + *at;
    phase.push_back(*std::move(position));
  }
  std::sort(phase.begin(), phase.end(), [](const auto& a, const auto& b) { return a.position < b.position; });
  return phase;
}

Result<void> check_length(const Json& json, const std::string& file, const std::string& key,
                          std::size_t size) {
  const auto stated = json_get<Index>(json, file, key);
  if (!stated) return stated.error();
  if (*stated == static_cast<Index>(size)) return {};
  return Error{file, key, fmt::format("{}, the number of ids", size), std::to_string(*stated)};
}

Result<Generation> generation_from_json(const Json& json, const std::string& setup, Index top_k,
                                        const std::string& file) {
  static constexpr std::string_view kKnown[] = {"ref_idx",       "prompt_ids",      "generated_ids",
                                                "prompt_length", "prefill_signals", "decode_signals",
                                                "num_generated"};
  const auto reference = json_get<Index>(json, file, "ref_idx");
  if (!reference) return reference.error();
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  const auto prompt = json_get_array<TokenId>(json, file, "prompt_ids");
  const auto generated = json_get_array<TokenId>(json, file, "generated_ids");
  if (!prompt) return prompt.error();
  if (!generated) return generated.error();
  if (auto checked = check_length(json, file, "prompt_length", prompt->size()); !checked)
    return checked.error();
  if (auto checked = check_length(json, file, "num_generated", generated->size()); !checked) {
    return checked.error();
  }
  const auto prefill = phase_from_json(json, {"prefill_signals", 0, &*prompt, top_k}, file);
  if (!prefill) return prefill.error();
  const auto begin = static_cast<Index>(prompt->size());
  const auto decode = phase_from_json(json, {"decode_signals", begin, &*generated, top_k}, file);
  if (!decode) return decode.error();
  return Generation{setup, *reference, *prompt, *generated, *prefill, *decode};
}

Result<GenerationSettings> settings_from_json(const Json& metadata, const std::string& file) {
  GenerationSettings settings;
  for (const auto& [key, member] : {std::pair{"max_new_tokens", &GenerationSettings::max_new_tokens},
                                    std::pair{"tokens_per_slice", &GenerationSettings::prompt_tokens},
                                    std::pair{"num_references", &GenerationSettings::references},
                                    std::pair{"top_k_logprobs", &GenerationSettings::top_k}}) {
    const auto value = json_get<Index>(metadata, file, key);
    if (!value) return value.error();
    if (*value < 0) return Error{file, key, "a count", std::to_string(*value)};
    settings.*member = *value;
  }
  return settings;
}

Result<std::vector<Generation>> generations_from_json(const Json& document,
                                                      const GenerationSettings& settings,
                                                      const std::string& file) {
  const auto by_setup = json_get_object(document, file, "generations");
  if (!by_setup) return by_setup.error();
  std::vector<Generation> generations;
  for (const auto& item : (*by_setup)->items()) {
    const std::string key = "generations." + item.key();
    const auto list = json_get_list(**by_setup, file, item.key());
    if (!list) return list.error();
    if (static_cast<Index>((*list)->size()) != settings.references) {
      return Error{file, key, fmt::format("{} references (num_references)", settings.references),
                   std::to_string((*list)->size())};
    }
    for (std::size_t i = 0; i < (*list)->size(); ++i) {
      const std::string where = fmt::format("{}: {}[{}]", file, key, i);
      auto generation = generation_from_json((**list)[i], item.key(), settings.top_k, where);
      if (!generation) return generation.error();
      generations.push_back(*std::move(generation));
    }
  }
  return generations;
}

Result<Record> record_from_json(const Json& document, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"metadata", "generations", "prefill_sanity_check",
                                                "decode_sanity_check", "noise_floors"};
  static constexpr std::string_view kKnownMetadata[] = {
      "environment",    "model_configs",  "max_new_tokens", "tokens_per_slice",
      "num_references", "top_k_logprobs", "timestamp"};
  if (const auto known = refuse_unknown_keys(document, file, kKnown); !known) return known.error();
  const auto metadata = json_get_object(document, file, "metadata");
  if (!metadata) return metadata.error();
  if (const auto known = refuse_unknown_keys(**metadata, file, kKnownMetadata); !known) return known.error();
  const auto environment = environment_from_json(**metadata, file, "environment");
  if (!environment) return environment.error();
  const auto setups = setups_from_json(**metadata, file, "model_configs", lookup(*environment, "gpu_name"));
  if (!setups) return setups.error();
  const auto settings = settings_from_json(**metadata, file);
  if (!settings) return settings.error();
  const auto timestamp = json_get<std::string>(**metadata, file, "timestamp");
  if (!timestamp) return timestamp.error();
  const auto generations = generations_from_json(document, *settings, file);
  if (!generations) return generations.error();
  const auto floors = noise_floors_from_json(document, file, "noise_floors");
  if (!floors) return floors.error();
  Record record{*environment, *setups, *settings, *timestamp, *generations, *floors};
  for (const Generation& generation : record.generations) {  // the schema has pos_-1, pos_-2, ...
    for (const auto* phase : {&generation.prefill, &generation.decode}) {
      record.settings.last_positions =
          std::max(record.settings.last_positions, static_cast<Index>(phase->size()));
    }
  }
  if (const auto checked = check_record(record, file); !checked) return checked.error();
  return record;
}

}  // namespace

Result<std::variant<Record, Verification>> from_seed_json(const Json& document, const std::string& file) {
  using Either = std::variant<Record, Verification>;
  if (document.is_object() && document.contains("generations")) {
    auto record = record_from_json(document, file);
    if (!record) return record.error();
    return Either(*std::move(record));
  }
  if (document.is_object() && document.contains("comparisons")) {
    auto verification = verification_from_seed(document, file);
    if (!verification) return verification.error();
    return Either(*std::move(verification));
  }
  return Error{file, "generations", "a record's `generations` or a verification's `comparisons`", "neither"};
}

}  // namespace assay
