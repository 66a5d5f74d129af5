#include "experiment/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "checkpoint/model_files.h"
#include "experiment/progress.h"
#include "record/json_codec.h"
#include "record/server_json.h"

namespace assay {
namespace {

Result<Environment> values_of(const Json& object, const std::string& file, const std::string& name) {
  if (!object.is_object() || !object.contains(name) || !object[name].is_object()) {
    return Error{file, "stamp." + name, "an object", "something else"};
  }
  Environment environment;
  for (const auto& [key, ignored] : object[name].items()) {
    auto value = json_get<std::string>(object[name], file, key);
    if (!value) return value.error();
    environment.emplace_back(key, *value);
  }
  return environment;
}

// What an engine said of itself under the name `setup`: all but the isa, which changes no bit.
Result<void> same_values(const Environment& before, const Environment& now, const std::string& file,
                         const std::string& setup, const std::string& whose) {
  const auto shown = [](const std::string& value) { return value.empty() ? "nothing" : value; };
  for (const auto* values : {&before, &now}) {
    for (const auto& [key, ignored] : *values) {
      const std::string expected = lookup(before, key);
      const std::string found = lookup(now, key);
      if (changes_no_bit(key) || expected == found) continue;
      return Error{file, fmt::format("ran/{}/{}", setup, key), shown(expected) + whose, shown(found)};
    }
  }
  return {};
}

}  // namespace

Error place_in_experiment(Error error, const std::string& file, const Setup& setup) {
  if (!error.file.empty()) return error;
  error.file = file;
  error.key = fmt::format("setups.{}.{}", setup.name, error.key);
  return error;
}

Result<Engine*> EngineSlot::get(const Setup& setup) {
  if (engine_ && setup_ == setup) return engine_.get();
  engine_.reset();  // before the next one is opened: the memory of one model at a time
  auto opened = hooks_.open(setup);
  if (!opened) {
    return place_in_experiment(opened.error(), file_, setup);
  }
  engine_ = std::move(*opened);
  setup_ = setup;
  return engine_.get();
}

Result<void> EngineSlot::try_each(const std::vector<Setup>& planned,
                                  const std::function<Result<void>(const Setup&, const Engine&)>& check,
                                  std::vector<Setup>& setups) {
  Result<void> all;
  for (std::size_t i = planned.size(); i-- > 0;) {
    const auto engine = get(planned[i]);
    const auto checked = engine ? check(planned[i], **engine) : Result<void>(engine.error());
    if (!checked) all = checked;
    if (engine) setups[i].ran = (*engine)->describe();
  }
  return all;
}

const char* word(Replay replay) { return replay == Replay::prefill ? "prefill" : "decode"; }

Result<std::vector<Setup>> hash_setups(std::vector<Setup> setups, ThreadPool& pool, const HubOptions& hub) {
  std::vector<std::filesystem::path> folders;  // each once
  std::vector<std::size_t> folder_of;          // by setup
  for (const Setup& setup : setups) {
    if (setup.server) {  // what it has loaded cannot be hashed from here
      folder_of.push_back(0);
      continue;
    }
    const auto folder = resolve_model(setup.model, hub);
    if (!folder) return folder.error();
    const auto place = std::find(folders.begin(), folders.end(), *folder);
    folder_of.push_back(static_cast<std::size_t>(place - folders.begin()));
    if (place == folders.end()) folders.push_back(*folder);
  }
  const auto hashes = hash_files(folders, pool);
  if (!hashes) return hashes.error();
  for (std::size_t i = 0; i < setups.size(); ++i) {
    if (!setups[i].server) setups[i].weights_sha256 = hash_of_model((*hashes)[folder_of[i]]);
  }
  return setups;
}

Result<void> check_tokens(const Engine& engine, const std::vector<TokenId>& tokens, Index more,
                          const std::string& file, const std::string& key) {
  const Index length = static_cast<Index>(tokens.size()) + more;
  if (length > engine.context_length()) {
    return Error{file, key, fmt::format("at most {} tokens, the model's context", engine.context_length()),
                 fmt::format("{} ({} + {} to generate)", length, tokens.size(), more)};
  }
  for (const TokenId id : tokens) {
    if (id >= 0 && id < engine.vocabulary_size()) continue;
    return Error{file, key, fmt::format("token ids from 0 to {}", engine.vocabulary_size() - 1),
                 std::to_string(id)};
  }
  return {};
}

Result<void> settle_ran(std::vector<Setup>& setups, Progress& progress) {
  Json now = Json::object();
  for (const Setup& setup : setups) now[verifier_name(setup, setups)] = environment_to_json(setup.ran);
  const Json first = progress.keep("ran", now);
  for (Setup& setup : setups) {
    const std::string name = verifier_name(setup, setups);
    auto before = values_of(first, progress.file(), name);
    if (!before) return before.error();
    auto same = same_values(*before, setup.ran, progress.file(), name, ", as the interrupted run has it");
    if (!same) return same;
    setup.ran = *std::move(before);
  }
  return {};
}

Result<void> take_ran(std::vector<Setup>& setups, const Json& stamp, const std::string& file) {
  const Json ran = stamp.value("ran", Json());
  for (Setup& setup : setups) {
    auto values = values_of(ran, file, verifier_name(setup, setups));
    if (!values) return values.error();
    setup.ran = *std::move(values);
  }
  return {};
}

Result<void> same_engines(const Json& first_stamp, const Json& second_stamp, const std::string& first,
                          const std::string& second) {
  const Json expected = first_stamp.value("ran", Json::object());
  const Json found = second_stamp.value("ran", Json::object());
  for (const auto& [name, ignored] : expected.items()) {
    const auto before = values_of(expected, first, name);
    if (!before) return before.error();
    const auto now = values_of(found, second, name);
    if (!now) return now.error();
    if (auto same = same_values(*before, *now, second, name, ", as " + first + " has it"); !same) return same;
  }
  return {};
}

std::vector<Setup> under_devices(const std::vector<Setup>& setups, const std::vector<std::string>& devices) {
  if (devices.empty()) return setups;
  std::vector<Setup> all;
  for (const std::string& device : devices) {
    for (Setup setup : setups) {
      if (setup.server) continue;
      setup.device = device;
      all.push_back(std::move(setup));
    }
  }
  std::copy_if(setups.begin(), setups.end(), std::back_inserter(all),
               [](const Setup& setup) { return setup.server.has_value(); });
  return all;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm fields = {};
  ::gmtime_r(&now, &fields);
  char text[32] = {};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields);
  return text;
}

Sampling sampling_of(Sampling sampling, Index reference) {
  if (sampling.sampler != Sampler::greedy) sampling.seed += static_cast<std::uint64_t>(reference);
  return sampling;
}

Json sampling_as_json(const Sampling& sampling) {
  return {
      {"sampler", word(sampling.sampler)}, {"temperature", sampling.temperature}, {"seed", sampling.seed}};
}

Json setups_as_json(const std::vector<Setup>& setups) {
  Json all = Json::object();
  for (const Setup& setup : setups) {
    Json& fields = all[verifier_name(setup, setups)];
    fields = {{"name", setup.name},       {"model", setup.model},   {"quantization", setup.quantization},
              {"dtype", setup.dtype},     {"device", setup.device}, {"weights_sha256", setup.weights_sha256},
              {"profile", setup.profile}, {"kernel", setup.kernel}, {"prefill_tokens", setup.prefill_tokens}};
    if (setup.server) fields["server"] = server_to_json(*setup.server);
  }
  return all;
}

Result<std::vector<Setup>> setups_of(const Json& plan, const std::string& file) {
  if (!plan.contains("setups") || !plan["setups"].is_object()) {
    return Error{file, "plan.setups", "an object", "something else"};
  }
  std::vector<Setup> setups;
  for (const auto& [key, fields] : plan["setups"].items()) {
    Setup setup;
    for (const auto& [name, text] : {std::pair("name", &setup.name),
                                     {"model", &setup.model},
                                     {"quantization", &setup.quantization},
                                     {"dtype", &setup.dtype},
                                     {"device", &setup.device},
                                     {"weights_sha256", &setup.weights_sha256},
                                     {"profile", &setup.profile},
                                     {"kernel", &setup.kernel}}) {
      auto value = json_get<std::string>(fields, file, name);
      if (!value) return value.error();
      *text = *std::move(value);
    }
    const auto tokens = json_get<Index>(fields, file, "prefill_tokens");
    if (!tokens) return tokens.error();
    setup.prefill_tokens = *tokens;
    if (fields.contains("server")) {
      auto server = server_from_json(fields, file, "server");
      if (!server) return server.error();
      setup.server = *std::move(server);
    }
    setups.push_back(std::move(setup));
  }
  return setups;
}

Result<Sampling> sampling_of_plan(const Json& plan, const std::string& file) {
  const Json fields = plan.value("sampling", Json());
  const auto name = json_get<std::string>(fields, file, "sampler");
  if (!name) return name.error();
  const auto temperature = json_get<double>(fields, file, "temperature");
  if (!temperature) return temperature.error();
  const auto seed = json_get<std::uint64_t>(fields, file, "seed");
  if (!seed) return seed.error();
  const auto known = sampler(*name);
  if (!known) return Error{file, "sampler", "a known sampler", *name};
  return Sampling{.sampler = *known, .temperature = *temperature, .seed = *seed};
}

Json stamp_as_json(const std::string& timestamp, const Environment& environment) {
  return {{"timestamp", timestamp}, {"environment", environment_to_json(environment)}};
}

Result<std::string> timestamp_of(const Json& stamp, const std::string& file) {
  return json_get<std::string>(stamp, file, "timestamp");
}

Result<Environment> environment_of(const Json& stamp, const std::string& file) {
  return values_of(stamp, file, "environment");
}

}  // namespace assay
