#include "experiment/run.h"

#include <fmt/format.h>

#include <ctime>

#include "checkpoint/model_files.h"
#include "experiment/progress.h"

namespace assay {
namespace {

Json values_as_json(const Environment& environment) {
  Json values = Json::object();
  for (const auto& [key, value] : environment) values[key] = value;
  return values;
}

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

const char* word(Replay replay) { return replay == Replay::prefill ? "prefill" : "decode"; }

Result<std::vector<Setup>> hash_setups(std::vector<Setup> setups) {
  for (Setup& setup : setups) {
    const auto folder = find_model(setup.model);
    if (!folder) return folder.error();
    const auto files = hash_files(*folder);
    if (!files) return files.error();
    setup.weights_sha256 = hash_of_model(*files);
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
  for (const Setup& setup : setups) now[verifier_name(setup, setups)] = values_as_json(setup.ran);
  const Json first = progress.keep("ran", now);
  const auto shown = [](const std::string& value) { return value.empty() ? "nothing" : value; };
  for (Setup& setup : setups) {
    const std::string name = verifier_name(setup, setups);
    auto before = values_of(first, progress.file(), name);
    if (!before) return before.error();
    for (const auto* values : {&*before, &setup.ran}) {
      for (const auto& [key, ignored] : *values) {
        const std::string expected = lookup(*before, key);
        const std::string found = lookup(setup.ran, key);
        if (key == "isa" || expected == found) continue;
        return Error{progress.file(), fmt::format("ran/{}/{}", name, key),
                     shown(expected) + ", as the interrupted run has it", shown(found)};
      }
    }
    setup.ran = *std::move(before);
  }
  return {};
}

std::vector<Setup> under_devices(const std::vector<Setup>& setups, const std::vector<std::string>& devices) {
  if (devices.empty()) return setups;
  std::vector<Setup> all;
  for (const std::string& device : devices) {
    for (Setup setup : setups) {
      setup.device = device;
      all.push_back(std::move(setup));
    }
  }
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
    all[verifier_name(setup, setups)] = {
        {"model", setup.model},   {"quantization", setup.quantization},     {"dtype", setup.dtype},
        {"device", setup.device}, {"weights_sha256", setup.weights_sha256}, {"profile", setup.profile},
        {"kernel", setup.kernel}, {"prefill_tokens", setup.prefill_tokens}};
  }
  return all;
}

Json stamp_as_json(const std::string& timestamp, const Environment& environment) {
  return {{"timestamp", timestamp}, {"environment", values_as_json(environment)}};
}

Result<std::string> timestamp_of(const Json& stamp, const std::string& file) {
  return json_get<std::string>(stamp, file, "timestamp");
}

Result<Environment> environment_of(const Json& stamp, const std::string& file) {
  return values_of(stamp, file, "environment");
}

}  // namespace assay
