#include "experiment/experiment_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "engine/engine.h"
#include "experiment/server_section.h"
#include "experiment/yaml_section.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr Index kLargestCount = Index{1} << 30;
constexpr const char* kHostDevice = "ieee";

constexpr std::array<std::string_view, 7> kFileKeys = {"prompts", "generate",       "device", "dtype",
                                                       "profile", "prefill_tokens", "setups"};
constexpr std::array<std::string_view, 6> kPromptKeys = {"documents", "tokens", "references",
                                                         "system",    "prefix", "question"};
constexpr std::array<std::string_view, 8> kGenerateKeys = {
    "max_new_tokens", "top_k", "positions", "runs", "ignore_eos", "temperature", "seed", "sampler"};
constexpr std::array<std::string_view, 3> kNativeKeys = {"profile", "prefill_tokens", "kernel"};
constexpr std::array<std::string_view, 4> kCommonKeys = {"model", "quantization", "dtype", "device"};
constexpr auto kSetupKeys = [] {
  std::array<std::string_view, kCommonKeys.size() + kNativeKeys.size() + kServerKeys.size()> all = {};
  auto end = std::copy(kCommonKeys.begin(), kCommonKeys.end(), all.begin());
  end = std::copy(kNativeKeys.begin(), kNativeKeys.end(), end);
  std::copy(kServerKeys.begin(), kServerKeys.end(), end);
  return all;
}();

PromptSettings read_prompts(YamlSection& section, const fs::path& folder) {
  PromptSettings prompts;
  for (const std::string& pattern : section.texts("documents")) {
    prompts.documents.push_back((folder / pattern).string());
  }
  prompts.tokens = section.integer("tokens", 1, kLargestCount);
  prompts.references = section.integer("references", 1, kLargestCount);
  prompts.system = section.text("system", "");
  prompts.prefix = section.text("prefix", "");
  prompts.question = section.text("question");
  return prompts;
}

// "all" is 0, "last3" is 3.
Index read_positions(YamlSection& section) {
  const std::string word = section.text("positions", "last3");
  if (word == "all") return 0;
  Index count = 0;
  const std::string prefix = "last";
  const char* const end = word.data() + word.size();
  if (word.starts_with(prefix)) {
    const auto parsed = std::from_chars(word.data() + prefix.size(), end, count);
    if (parsed.ec == std::errc() && parsed.ptr == end && count >= 1) return count;
  }
  section.fail(section.node("positions"), "positions", "all, or lastN such as last3", word);
  return 0;
}

// Temperature 0 is greedy, which draws nothing and has no seed.
Sampling read_sampling(YamlSection& section) {
  Sampling sampling;
  const double temperature = section.number("temperature", 0);
  if (temperature != 0 && !(temperature >= kLeastTemperature && temperature <= kMostTemperature)) {
    section.fail(section.node("temperature"), "temperature", "0 (greedy), or a number from 0.01 to 100",
                 section.text("temperature"));
    return sampling;
  }
  const bool draws = temperature != 0;
  const std::string name = section.text("sampler", word(draws ? Sampler::exponential_race : Sampler::greedy));
  const auto named = sampler(name);
  if (!named || (*named != Sampler::greedy) != draws) {
    section.fail(section.node("sampler"), "sampler",
                 draws ? "exponential_race or inverse_cdf" : "greedy, where the temperature is 0", name);
    return sampling;
  }
  if (!draws && section.has("seed")) {
    section.fail(section.node("seed"), "seed", "no seed, where the temperature is 0 (greedy)",
                 section.text("seed"));
  }
  sampling = {.sampler = *named, .temperature = temperature};
  if (draws) {
    constexpr Index kLargestSeed = std::numeric_limits<Index>::max();
    sampling.seed = static_cast<std::uint64_t>(section.integer("seed", 0, kLargestSeed));
  }
  return sampling;
}

GenerateSettings read_generate(YamlSection& section) {
  GenerateSettings settings;
  settings.max_new_tokens = section.integer("max_new_tokens", 1, kLargestCount);
  settings.top_k = section.integer("top_k", 1, kLargestCount, settings.top_k);
  settings.last_positions = read_positions(section);
  settings.runs = section.integer("runs", 1, 1000, settings.runs);
  settings.ignore_eos = section.boolean("ignore_eos", settings.ignore_eos);
  settings.sampling = read_sampling(section);
  return settings;
}

// A model is a folder beside the experiment file or, if there is none, a Hub name ("owner/name").
std::string model_beside(const std::string& model, const fs::path& folder) {
  const fs::path local = (folder / model).lexically_normal();
  const bool looks_like_folder = model.starts_with('.') || model.starts_with('/');
  return fs::exists(local) || looks_like_folder ? local.string() : model;
}

// Quotes keep a line break or a path separator out of names that become keys of the record.
bool is_setup_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c == '.';
  };
  if (name.empty() || name.size() > 64) return false;
  for (char c : name) {
    if (!allowed(c)) return false;
  }
  return true;
}

Result<void> read_setups(YamlSection& top, const std::optional<std::string>& device, Experiment& experiment) {
  const fs::path folder = experiment.file.parent_path();
  const std::string file = experiment.file.string();
  const std::string file_dtype = top.text("dtype", "float16");
  const std::string file_device = top.text("device", kHostDevice);
  const std::string file_profile = top.text("profile", kDefaultProfile);
  const Index file_prefill = top.integer("prefill_tokens", 1, kLargestCount, kDefaultPrefillTokens);
  YamlSection list(top.node("setups"), file, "setups", {});
  for (const std::string& name : list.keys()) {
    YamlSection section(list.node(name), file, list.name_of(name), kSetupKeys);
    if (!is_setup_name(name)) {
      list.fail(list.node(name), name, "a name of letters, digits, '_', '-' and '.'", name);
    }
    Setup setup;
    setup.name = name;
    setup.model = model_beside(section.text("model"), folder);
    setup.quantization = section.text("quantization");
    setup.dtype = section.text("dtype", file_dtype);
    setup.server = read_server(section, folder);
    if (setup.server) {
      setup.device = section.text("device", "");
      setup.profile = "";
      setup.prefill_tokens = 0;
      for (const std::string_view key : kNativeKeys) {
        if (section.has(key))
          section.fail(section.node(std::string(key)), key, "nothing: the server chooses", "a wish");
      }
    } else {
      setup.device = device.value_or(section.text("device", file_device));
      setup.profile = section.text("profile", file_profile);
      setup.kernel = section.text("kernel", "");
      setup.prefill_tokens = section.integer("prefill_tokens", 1, kLargestCount, file_prefill);
    }
    if (section.error()) return *section.error();
    experiment.setups.push_back(setup);
  }
  if (list.error()) return *list.error();
  if (experiment.setups.empty()) return Error{file, "setups", "at least one setup", "none"};
  return {};
}

}  // namespace

Result<Experiment> read_experiment(const fs::path& file, const std::optional<std::string>& device) {
  const auto yaml = read_yaml(file);
  if (!yaml) return yaml.error();
  YamlSection top(*yaml, file.string(), "", kFileKeys);
  for (const char* key : {"prompts", "generate", "setups"}) {
    if (!top.has(key)) top.fail(*yaml, key, "a mapping", "nothing");
  }
  if (top.error()) return *top.error();

  Experiment experiment;
  experiment.file = file;
  YamlSection prompts(top.node("prompts"), file.string(), "prompts", kPromptKeys);
  experiment.prompts = read_prompts(prompts, file.parent_path());
  if (prompts.error()) return *prompts.error();
  YamlSection generate(top.node("generate"), file.string(), "generate", kGenerateKeys);
  experiment.generate = read_generate(generate);
  if (generate.error()) return *generate.error();
  if (const auto setups = read_setups(top, device, experiment); !setups) return setups.error();
  if (top.error()) return *top.error();
  return experiment;
}

}  // namespace assay
