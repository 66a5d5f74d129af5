#include "verify/calibration_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "record/json_codec.h"
#include "record/settings_json.h"
#include "stats/student.h"

namespace assay {
namespace {

constexpr Index kSchemaVersion = 1;
constexpr const char* kSchema = "assay calibration";

struct Count {
  const char* key;
  Index Calibration::*member;
};
constexpr Count kCounts[] = {{"fit_prompts", &Calibration::fit_prompts},
                             {"calibration_prompts", &Calibration::calibration_prompts},
                             {"test_prompts", &Calibration::test_prompts},
                             {"prefill_positions", &Calibration::prefill_positions},
                             {"decode_positions", &Calibration::decode_positions},
                             {"tokens", &Calibration::tokens}};

Json model_to_json(const ScaleModel& model) {
  return {{"location", model.location},
          {"coefficients", model.coefficients},
          {"nu", model.nu},
          {"floor", model.floor}};
}

Json hypothesis_to_json(const Hypothesis& hypothesis) {
  return {{"setup", hypothesis.setup}, {"device", hypothesis.device}};
}

Json cell_to_json(const CalibrationCell& cell) {
  Json json = hypothesis_to_json(cell.hypothesis);
  json["verifier_device"] = cell.verifier_device;
  if (!cell.engine.empty()) json["engine"] = cell.engine;
  if (!cell.verifier_engine.empty()) json["verifier_engine"] = cell.verifier_engine;
  json["level"] = model_to_json(cell.noise.level);
  json["ratio"] = model_to_json(cell.noise.ratio);
  json["mean_deviation"] = cell.noise.mean_deviation;
  json["logprob_scores"] = cell.logprob_scores;
  json["token_scores"] = cell.token_scores;
  for (const TruthScores& test : cell.test) {
    Json truth = hypothesis_to_json(test.truth);
    truth["logprobs"] = Json::array();
    truth["tokens"] = Json::array();
    truth["differs_after"] = Json::array();
    for (const PromptScore& score : test.prompts) {
      truth["logprobs"].push_back(score.logprobs);
      truth["tokens"].push_back(score.tokens);
      truth["differs_after"].push_back(score.differs_after);
    }
    json["test"].push_back(std::move(truth));
  }
  return json;
}

Json coincidence_to_json(const Coincidence& coincidence) {
  return {{"positions", coincidence.positions},
          {"equal", coincidence.equal},
          {"upper_bound", coincidence.upper_bound},
          {"after_equal", coincidence.after_equal},
          {"equal_after_equal", coincidence.equal_after_equal},
          {"upper_bound_after_equal", coincidence.upper_bound_after_equal}};
}

Json false_positives_to_json(const FalsePositives& rate) {
  return {{"claimed_device", rate.claimed_device},
          {"verifier_device", rate.verifier_device},
          {"prompts_a_claim", rate.prompts_a_claim},
          {"claims", rate.claims},
          {"refuted", rate.refuted},
          {"independent", rate.independent},
          {"upper_bound", rate.upper_bound}};
}

// Reads fields of one object and keeps the first Error.
class Fields {
 public:
  Fields(const Json& json, std::string file, std::string name)
      : json_(json), file_(std::move(file)), name_(std::move(name)) {}

  template <class T>
  void get(const char* key, T& value) {
    if (error_) return;
    auto read = json_get<T>(json_, file_, key);
    if (read) {
      value = *read;
    } else {
      fail(read.error());
    }
  }
  void count(const char* key, Index& value) {
    get(key, value);
    if (!error_ && value < 0) fail({file_, key, "a count", std::to_string(value)});
  }
  void rate(const char* key, double& value) {
    get(key, value);
    if (!error_ && !(value > 0 && value <= 1)) fail({file_, key, "a rate in (0, 1]", std::to_string(value)});
  }
  void numbers(const char* key, std::vector<double>& values, bool negative) {
    if (error_) return;
    const auto list = json_get_list(json_, file_, key);
    if (!list) return fail(list.error());
    for (const Json& value : **list) {
      const bool good = value.is_number() && (negative || value.get<double>() >= 0);
      if (!good) return fail({file_, key, negative ? "numbers" : "numbers >= 0", describe(value)});
      values.push_back(value.get<double>());
    }
  }
  const Json& list(const char* key) {
    static const Json kNone = Json::array();
    if (error_) return kNone;
    const auto found = json_get_list(json_, file_, key);
    if (found) return **found;
    fail(found.error());
    return kNone;
  }
  const Json& object(const char* key) {
    static const Json kNone = Json::object();
    if (error_) return kNone;
    const auto found = json_get_object(json_, file_, key);
    if (found) return **found;
    fail(found.error());
    return kNone;
  }
  void known(std::span<const std::string_view> keys) {
    if (error_) return;
    if (const auto checked = refuse_unknown_keys(json_, file_, keys); !checked) fail(checked.error());
  }
  void fail(Error error) {
    if (error_) return;
    error.key = name_.empty() ? error.key : name_ + "." + error.key;
    error_ = std::move(error);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Json& json_;
  std::string file_;
  std::string name_;
  std::optional<Error> error_;
};

Result<ScaleModel> model_from_json(const Json& json, const std::string& file, const std::string& name) {
  static constexpr std::string_view kKnown[] = {"location", "coefficients", "nu", "floor"};
  Fields fields(json, file, name);
  ScaleModel model;
  fields.known(kKnown);
  fields.get("location", model.location);
  fields.numbers("coefficients", model.coefficients, true);
  fields.get("nu", model.nu);
  fields.get("floor", model.floor);
  if (fields.error()) return *fields.error();
  constexpr std::size_t kCoefficients = 1 + kMaxCovariates;
  if (model.coefficients.size() != kCoefficients) {
    return Error{file, name + ".coefficients", std::to_string(kCoefficients) + " numbers",
                 std::to_string(model.coefficients.size())};
  }
  if (std::find(kStudentDegrees.begin(), kStudentDegrees.end(), model.nu) == kStudentDegrees.end()) {
    return Error{file, name + ".nu", "2, 4, 8 or 30", std::to_string(model.nu)};
  }
  if (!(model.floor > 0)) return Error{file, name + ".floor", "a scale > 0", std::to_string(model.floor)};
  return model;
}

Result<TruthScores> truth_from_json(const Json& json, const std::string& file, const std::string& name) {
  static constexpr std::string_view kKnown[] = {"setup", "device", "logprobs", "tokens", "differs_after"};
  Fields fields(json, file, name);
  TruthScores truth;
  std::vector<double> logprobs;
  std::vector<double> tokens;
  fields.known(kKnown);
  fields.get("setup", truth.truth.setup);
  fields.get("device", truth.truth.device);
  fields.numbers("logprobs", logprobs, false);
  fields.numbers("tokens", tokens, false);
  const Json& differs = fields.list("differs_after");
  if (fields.error()) return *fields.error();
  if (logprobs.size() != tokens.size() || logprobs.size() != differs.size() || logprobs.empty()) {
    return Error{file, name + ".tokens", "as many scores as logprobs and differs_after, at least one",
                 fmt::format("{}, {} and {}", tokens.size(), logprobs.size(), differs.size())};
  }
  for (std::size_t i = 0; i < logprobs.size(); ++i) {
    const Json& after = differs[i];
    if (!after.is_number_integer() || after.get<Index>() < 0) {
      return Error{file, json_element(name + ".differs_after", i), "a count", describe(after)};
    }
    truth.prompts.push_back({logprobs[i], tokens[i], after.get<Index>()});
  }
  return truth;
}

Result<CalibrationCell> cell_from_json(const Json& json, const std::string& file, const std::string& name) {
  static constexpr std::string_view kKnown[] = {"setup", "device",         "verifier_device", "level",
                                                "ratio", "mean_deviation", "logprob_scores",  "token_scores",
                                                "test",  "engine",         "verifier_engine"};
  Fields fields(json, file, name);
  CalibrationCell cell;
  fields.known(kKnown);
  fields.get("setup", cell.hypothesis.setup);
  fields.get("device", cell.hypothesis.device);
  fields.get("verifier_device", cell.verifier_device);
  if (json.contains("engine")) fields.get("engine", cell.engine);
  if (json.contains("verifier_engine")) fields.get("verifier_engine", cell.verifier_engine);
  fields.get("mean_deviation", cell.noise.mean_deviation);
  fields.numbers("logprob_scores", cell.logprob_scores, false);
  fields.numbers("token_scores", cell.token_scores, false);
  const Json& level = fields.object("level");
  const Json& ratio = fields.object("ratio");
  const Json& test = fields.list("test");
  if (fields.error()) return *fields.error();
  if (!(cell.noise.mean_deviation > 0)) {
    return Error{file, name + ".mean_deviation", "a number > 0", std::to_string(cell.noise.mean_deviation)};
  }
  auto level_model = model_from_json(level, file, name + ".level");
  auto ratio_model = model_from_json(ratio, file, name + ".ratio");
  if (!level_model) return level_model.error();
  if (!ratio_model) return ratio_model.error();
  cell.noise.level = *std::move(level_model);
  cell.noise.ratio = *std::move(ratio_model);
  for (std::size_t i = 0; i < test.size(); ++i) {
    auto truth = truth_from_json(test[i], file, json_element(name + ".test", i));
    if (!truth) return truth.error();
    cell.test.push_back(*std::move(truth));
  }
  return cell;
}

Result<Coincidence> coincidence_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {
      "positions", "equal", "upper_bound", "after_equal", "equal_after_equal", "upper_bound_after_equal"};
  Fields fields(json, file, "coincidence");
  Coincidence coincidence;
  fields.known(kKnown);
  fields.count("positions", coincidence.positions);
  fields.count("equal", coincidence.equal);
  fields.rate("upper_bound", coincidence.upper_bound);
  fields.count("after_equal", coincidence.after_equal);
  fields.count("equal_after_equal", coincidence.equal_after_equal);
  fields.rate("upper_bound_after_equal", coincidence.upper_bound_after_equal);
  if (fields.error()) return *fields.error();
  return coincidence;
}

Result<FalsePositives> false_positives_from_json(const Json& json, const std::string& file,
                                                 const std::string& name) {
  static constexpr std::string_view kKnown[] = {"claimed_device", "verifier_device", "prompts_a_claim",
                                                "claims",         "refuted",         "independent",
                                                "upper_bound"};
  Fields fields(json, file, name);
  FalsePositives rate;
  fields.known(kKnown);
  fields.get("claimed_device", rate.claimed_device);
  fields.get("verifier_device", rate.verifier_device);
  fields.count("prompts_a_claim", rate.prompts_a_claim);
  fields.count("claims", rate.claims);
  fields.count("refuted", rate.refuted);
  fields.count("independent", rate.independent);
  fields.rate("upper_bound", rate.upper_bound);
  if (fields.error()) return *fields.error();
  return rate;
}

Result<void> check_setup(const Calibration& calibration, const Hypothesis& hypothesis,
                         const std::string& file, const std::string& name) {
  const auto known = std::any_of(calibration.setups.begin(), calibration.setups.end(),
                                 [&](const Setup& setup) { return setup.name == hypothesis.setup; });
  if (known) return {};
  return Error{file, name + ".setup", "one of the calibration's setups", hypothesis.setup};
}

}  // namespace

Json calibration_to_json(const Calibration& calibration) {
  Json json = {{"schema", kSchema}, {"schema_version", kSchemaVersion}};
  json["environment"] = environment_to_json(calibration.environment);
  json["setups"] = setups_to_json(calibration.setups, "");
  json["replay"] = calibration.replay;
  json["settings"] = settings_to_json(calibration.settings);
  json["alpha"] = calibration.alpha;
  for (const auto& [key, member] : kCounts) json[key] = calibration.*member;
  json["coincidence"] = coincidence_to_json(calibration.coincidence);
  json["false_positives"] = Json::array();
  for (const FalsePositives& rate : calibration.false_positives) {
    json["false_positives"].push_back(false_positives_to_json(rate));
  }
  json["cells"] = Json::array();
  for (const CalibrationCell& cell : calibration.cells) json["cells"].push_back(cell_to_json(cell));
  return json;
}

Result<Calibration> calibration_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"schema",
                                                "schema_version",
                                                "environment",
                                                "setups",
                                                "replay",
                                                "settings",
                                                "alpha",
                                                "fit_prompts",
                                                "calibration_prompts",
                                                "test_prompts",
                                                "prefill_positions",
                                                "decode_positions",
                                                "tokens",
                                                "coincidence",
                                                "false_positives",
                                                "cells"};
  Fields fields(json, file, "");
  Calibration calibration;
  std::string schema;
  Index version = 0;
  fields.get("schema", schema);
  if (!fields.error() && schema != kSchema) fields.fail({file, "schema", kSchema, schema});
  fields.get("schema_version", version);
  if (!fields.error() && version != kSchemaVersion) {
    fields.fail({file, "schema_version", std::to_string(kSchemaVersion), std::to_string(version)});
  }
  fields.known(kKnown);
  fields.get("replay", calibration.replay);
  const std::string& replay = calibration.replay;
  if (!fields.error() && replay != "prefill" && replay != "decode") {
    fields.fail({file, "replay", "prefill or decode", replay});
  }
  fields.rate("alpha", calibration.alpha);
  for (const auto& [key, member] : kCounts) fields.count(key, calibration.*member);
  const Json& coincidence = fields.object("coincidence");
  const Json& rates = fields.list("false_positives");
  const Json& cells = fields.list("cells");
  if (fields.error()) return *fields.error();
  auto environment = environment_from_json(json, file, "environment");
  auto setups = setups_from_json(json, file, "setups", "");
  auto settings = settings_from_json(json, file, "settings");
  auto counted = coincidence_from_json(coincidence, file);
  if (!environment) return environment.error();
  if (!setups) return setups.error();
  if (!settings) return settings.error();
  if (!counted) return counted.error();
  calibration.environment = *std::move(environment);
  calibration.setups = *std::move(setups);
  calibration.settings = *settings;
  calibration.coincidence = *counted;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    auto rate = false_positives_from_json(rates[i], file, json_element("false_positives", i));
    if (!rate) return rate.error();
    calibration.false_positives.push_back(*std::move(rate));
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    auto cell = cell_from_json(cells[i], file, json_element("cells", i));
    if (!cell) return cell.error();
    const std::string name = json_element("cells", i);
    if (auto known = check_setup(calibration, cell->hypothesis, file, name); !known) return known.error();
    for (std::size_t t = 0; t < cell->test.size(); ++t) {
      auto known = check_setup(calibration, cell->test[t].truth, file, json_element(name + ".test", t));
      if (!known) return known.error();
    }
    calibration.cells.push_back(*std::move(cell));
  }
  return calibration;
}

Result<Calibration> read_calibration(const std::filesystem::path& path) {
  const auto json = read_json(path);
  if (!json) return json.error();
  return calibration_from_json(*json, path.string());
}

// One line a cell, so that the file can be looked at and its changes be read.
Result<void> write_calibration(const std::filesystem::path& path, const Calibration& calibration) {
  Json json = calibration_to_json(calibration);
  const Json cells = json["cells"];
  json.erase("cells");
  std::string text = "{\n";
  for (const auto& [key, value] : json.items())
    text += fmt::format("  {}: {},\n", Json(key).dump(), value.dump());
  text += "  \"cells\": [\n";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    text += "    " + cells[i].dump() + (i + 1 < cells.size() ? ",\n" : "\n");
  }
  return write_atomically(path, text + "  ]\n}\n");
}

}  // namespace assay
