#include "record/settings_json.h"

#include "record/json_codec.h"

namespace assay {
namespace {

struct Count {
  const char* key;
  Index GenerationSettings::*member;
};
constexpr Count kCounts[] = {{"max_new_tokens", &GenerationSettings::max_new_tokens},
                             {"prompt_tokens", &GenerationSettings::prompt_tokens},
                             {"references", &GenerationSettings::references},
                             {"top_k", &GenerationSettings::top_k},
                             {"last_positions", &GenerationSettings::last_positions},
                             {"runs", &GenerationSettings::runs}};

Result<Sampling> sampling_from_json(const Json& settings, const std::string& file, const std::string& key) {
  static constexpr std::string_view kKnown[] = {"sampler", "temperature", "seed"};
  const auto object = json_get_object(settings, file, "sampling");
  if (!object) return object.error();
  const std::string where = file + ": " + key + ".sampling";
  if (const auto known = refuse_unknown_keys(**object, where, kKnown); !known) return known.error();
  const auto name = json_get<std::string>(**object, where, "sampler");
  const auto temperature = json_get<double>(**object, where, "temperature");
  const auto seed = json_get<std::uint64_t>(**object, where, "seed");
  if (!name) return name.error();
  if (!temperature) return temperature.error();
  if (!seed) return seed.error();
  const auto known_sampler = sampler(*name);
  if (!known_sampler) {
    return Error{where, "sampler", "greedy, exponential_race or inverse_cdf", *name};
  }
  return Sampling{*known_sampler, *temperature, *seed};
}

}  // namespace

Json settings_to_json(const GenerationSettings& settings) {
  Json json = Json::object();
  for (const auto& [key, member] : kCounts) json[key] = settings.*member;
  json["ignore_eos"] = settings.ignore_eos;
  json["sampling"] = {{"sampler", word(settings.sampling.sampler)},
                      {"temperature", settings.sampling.temperature},
                      {"seed", settings.sampling.seed}};
  return json;
}

Result<GenerationSettings> settings_from_json(const Json& object, const std::string& file,
                                              const std::string& key) {
  static constexpr std::string_view kKnown[] = {"max_new_tokens", "prompt_tokens", "references", "top_k",
                                                "last_positions", "runs",          "ignore_eos", "sampling"};
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  const std::string where = file + ": " + key;
  if (const auto known = refuse_unknown_keys(**json, where, kKnown); !known) return known.error();
  GenerationSettings settings;
  for (const auto& [name, member] : kCounts) {
    const auto value = json_get<Index>(**json, where, name);
    if (!value) return value.error();
    if (*value < 0) return Error{where, name, "a count", std::to_string(*value)};
    settings.*member = *value;
  }
  const auto ignore_eos = json_get<bool>(**json, where, "ignore_eos");
  if (!ignore_eos) return ignore_eos.error();
  settings.ignore_eos = *ignore_eos;
  const auto sampling = sampling_from_json(**json, file, key);
  if (!sampling) return sampling.error();
  settings.sampling = *sampling;
  return settings;
}

}  // namespace assay
