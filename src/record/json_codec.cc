#include "record/json_codec.h"

#include <fmt/format.h>

#include <type_traits>

#include "record/infinite_json.h"
#include "record/server_json.h"

namespace assay {

std::string json_element(const std::string& key, std::size_t index) {
  return fmt::format("{}[{}]", key, index);
}

Result<Index> json_count_or(const Json& object, const std::string& file, const std::string& key,
                            Index absent) {
  if (!object.contains(key)) return absent;
  auto count = json_get<Index>(object, file, key);
  if (count && *count < 0) return Error{file, key, "a count", std::to_string(*count)};
  return count;
}

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
    const auto wrong = [&] { return Error{file, json_element(key, i), json_kind<T>(), describe(value)}; };
    if constexpr (std::is_same_v<T, std::string>) {
      if (!value.is_string()) return wrong();
      values.push_back(value.get<std::string>());
    } else if constexpr (std::is_floating_point_v<T>) {
      if (!value.is_number()) return wrong();
      values.push_back(static_cast<T>(value.get<double>()));
    } else {
      if (!value.is_number_integer() || !std::in_range<T>(value.get<std::int64_t>())) return wrong();
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

void put_served(const Environment& served, Json& line) {
  if (!served.empty()) line["served"] = environment_to_json(served);
}

Result<Environment> get_served(const Json& line, const std::string& file) {
  if (!line.contains("served")) return Environment{};
  return environment_from_json(line, file, "served");
}

Json setups_to_json(const std::vector<Setup>& setups, const std::string& default_device) {
  Json json = Json::object();
  for (const Setup& setup : setups) {
    const std::string key = verifier_name(setup, setups);
    Json& entry = json[key];
    entry = {{"model_name", setup.model}, {"quantization", setup.quantization}, {"dtype", setup.dtype}};
    if (key != setup.name) entry["name"] = setup.name;
    if (setup.device != default_device) entry["device"] = setup.device;
    if (!setup.weights_sha256.empty()) entry["weights_sha256"] = setup.weights_sha256;
    if (!setup.profile.empty()) entry["profile"] = setup.profile;
    if (!setup.kernel.empty()) entry["kernel"] = setup.kernel;
    if (setup.prefill_tokens > 0) entry["prefill_tokens"] = setup.prefill_tokens;
    if (!setup.ran.empty()) entry["ran"] = environment_to_json(setup.ran);
    if (setup.server) entry["server"] = server_to_json(*setup.server);
  }
  return json;
}

namespace {

Result<Setup> setup_from_json(const Json& config, const std::string& where, const std::string& key,
                              const std::string& default_device) {
  static constexpr std::string_view kKnown[] = {
      "model_name", "name",   "quantization",   "dtype", "device", "weights_sha256",
      "profile",    "kernel", "prefill_tokens", "ran",   "server"};
  const auto model = json_get<std::string>(config, where, "model_name");
  if (!model) return model.error();
  if (const auto known = refuse_unknown_keys(config, where, kKnown); !known) return known.error();
  Setup setup{.name = key,
              .model = *model,
              .quantization = "none",
              .dtype = "",
              .device = default_device,
              .profile = "",
              .prefill_tokens = 0};
  const auto dtype = json_get<std::string>(config, where, "dtype");
  if (!dtype) return dtype.error();
  setup.dtype = *dtype;
  // Python writes an unquantized setup as null.
  if (!config.contains("quantization") || !config.at("quantization").is_null()) {
    const auto quantization = json_get<std::string>(config, where, "quantization");
    if (!quantization) return quantization.error();
    setup.quantization = *quantization;
  }
  for (const auto& [optional_key, member] :
       {std::pair{"name", &Setup::name}, std::pair{"device", &Setup::device},
        std::pair{"weights_sha256", &Setup::weights_sha256}, std::pair{"profile", &Setup::profile},
        std::pair{"kernel", &Setup::kernel}}) {
    if (!config.contains(optional_key)) continue;
    const auto value = json_get<std::string>(config, where, optional_key);
    if (!value) return value.error();
    setup.*member = *value;
  }
  const auto prefill_tokens = json_count_or(config, where, "prefill_tokens", 0);
  if (!prefill_tokens) return prefill_tokens.error();
  setup.prefill_tokens = *prefill_tokens;
  if (config.contains("ran")) {
    auto ran = environment_from_json(config, where, "ran");
    if (!ran) return ran.error();
    setup.ran = *std::move(ran);
  }
  if (config.contains("server")) {
    auto server = server_from_json(config, where, "server");
    if (!server) return server.error();
    setup.server = *std::move(server);
  }
  return setup;
}

}  // namespace

Result<std::vector<Setup>> setups_from_json(const Json& object, const std::string& file,
                                            const std::string& key, const std::string& default_device) {
  const auto configs = json_get_object(object, file, key);
  if (!configs) return configs.error();
  std::vector<Setup> setups;
  std::vector<std::string> keys;
  for (const auto& [name, config] : (*configs)->items()) {
    auto setup = setup_from_json(config, file + ": " + key + "." + name, name, default_device);
    if (!setup) return setup.error();
    setups.push_back(*std::move(setup));
    keys.push_back(name);
  }
  for (std::size_t i = 0; i < setups.size(); ++i) {
    const std::string expected = verifier_name(setups[i], setups);
    if (keys[i] != expected) return Error{file, key + "." + keys[i], expected + " as its key", keys[i]};
  }
  return setups;
}

Result<DistanceRule> distance_rule_from_json(const Json& object, const std::string& file,
                                             const std::string& key) {
  const auto name = json_get<std::string>(object, file, key);
  if (!name) return name.error();
  if (const auto rule = distance_rule(*name)) return *rule;
  return Error{file, key, "every_id or seed", *name};
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
      return Error{file, json_element(key, i), "two setup names", describe(pair)};
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
    const auto runs = json_count_or(floor, where, "runs", 0);
    if (!prefill) return prefill.error();
    if (!decode) return decode.error();
    if (!runs) return runs.error();
    floors.push_back({.setup = setup, .prefill = *prefill, .decode = *decode, .runs = *runs});
  }
  return floors;
}

}  // namespace assay
