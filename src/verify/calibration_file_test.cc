#include "verify/calibration_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "verify/test_world.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

using Pointer = Json::json_pointer;

Calibration small_calibration() {
  const std::vector<HonestRun> runs = honest_runs(World{}, 8);
  ThreadPool pool(1);
  Calibration made =
      *calibrate(world_frame(), runs, {.fit = 3, .calibration = 3, .prompts_a_claim = 1}, pool, "w");
  made.cells.resize(2);
  made.cells[1].engine = "vllm";
  made.cells[1].verifier_engine = "sglang";
  return made;
}

std::string refusal(const Json& json) {
  const auto read = calibration_from_json(json, "c.json");
  return read ? "accepted" : read.error().message();
}

// The objects that have fixed keys: the whole, and what lies in it, of lists the first element.
void walk(const Json& json, const Pointer& at, std::vector<Pointer>& objects) {
  const Json& here = json.at(at);
  if (here.is_object()) {
    objects.push_back(at);
    for (const auto& [key, value] : here.items()) {
      if (key != "environment" && key != "setups") walk(json, at / key, objects);
    }
  } else if (here.is_array() && !here.empty()) {
    walk(json, at / std::size_t{0}, objects);
  }
}

std::vector<Pointer> objects_of(const Json& json) {
  std::vector<Pointer> objects;
  walk(json, Pointer(), objects);
  return objects;
}

class CalibrationFile : public testing::Test {
 protected:
  ~CalibrationFile() override { std::filesystem::remove(path_); }
  const Calibration calibration_ = small_calibration();
  const Json json_ = calibration_to_json(calibration_);
  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / "assay_calibration_test.json";
};

TEST_F(CalibrationFile, IsReadBackToTheSameNumbersAndBytes) {
  ASSERT_TRUE(write_calibration(path_, calibration_));
  const auto read = read_calibration(path_);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->setups, calibration_.setups);
  EXPECT_EQ(read->replay, calibration_.replay);
  EXPECT_EQ(read->settings, calibration_.settings);
  EXPECT_EQ(read->environment, calibration_.environment);
  EXPECT_EQ(read->alpha, calibration_.alpha);
  EXPECT_EQ(read->test_prompts, calibration_.test_prompts);
  EXPECT_EQ(read->decode_positions, calibration_.decode_positions);
  EXPECT_EQ(read->coincidence, calibration_.coincidence);
  EXPECT_EQ(read->false_positives, calibration_.false_positives);
  ASSERT_EQ(read->cells.size(), 2U);
  EXPECT_EQ(read->cells[0].engine, "");
  EXPECT_EQ(read->cells[1].engine, "vllm");
  EXPECT_EQ(read->cells[1].verifier_engine, "sglang");
  for (const std::size_t i : {0, 1}) {
    const CalibrationCell& a = read->cells[i];
    const CalibrationCell& b = calibration_.cells[i];
    EXPECT_EQ(a.hypothesis, b.hypothesis);
    EXPECT_EQ(a.verifier_device, b.verifier_device);
    EXPECT_EQ(a.noise.level.location, b.noise.level.location);
    EXPECT_EQ(a.noise.ratio.coefficients, b.noise.ratio.coefficients);
    EXPECT_EQ(a.noise.ratio.nu, b.noise.ratio.nu);
    EXPECT_EQ(a.noise.mean_deviation, b.noise.mean_deviation);
    EXPECT_EQ(a.logprob_scores, b.logprob_scores);
    EXPECT_EQ(a.token_scores, b.token_scores);
    EXPECT_EQ(a.test, b.test);
  }
  const std::string bytes = *read_text(path_);
  ASSERT_TRUE(write_calibration(path_, *read));
  EXPECT_EQ(*read_text(path_), bytes);
}

TEST_F(CalibrationFile, EveryUnknownKeyIsRefused) {
  const auto objects = objects_of(json_);
  EXPECT_GE(objects.size(), 8U);
  for (const Pointer& at : objects) {
    Json changed = json_;
    changed[at]["bogus"] = 1;
    EXPECT_THAT(refusal(changed), AllOf(StartsWith("c.json: "), HasSubstr("bogus"))) << at.to_string();
  }
}

TEST_F(CalibrationFile, EveryMissingKeyIsRefused) {
  for (const Pointer& at : objects_of(json_)) {
    for (const auto& [key, value] : json_.at(at).items()) {
      Json changed = json_;
      changed[at].erase(key);
      EXPECT_THAT(refusal(changed), AllOf(StartsWith("c.json: "), HasSubstr(key))) << at.to_string();
    }
  }
}

TEST_F(CalibrationFile, EveryWrongTypeIsRefused) {
  for (const Pointer& at : objects_of(json_)) {
    for (const auto& [key, value] : json_.at(at).items()) {
      Json changed = json_;
      changed[at][key] = value.is_boolean() ? Json(1) : Json(true);
      EXPECT_THAT(refusal(changed), AllOf(StartsWith("c.json: "), HasSubstr(key))) << at.to_string();
    }
  }
}

TEST_F(CalibrationFile, NumbersThatCannotBeAreRefused) {
  const struct {
    const char* at;
    Json value;
    const char* message;
  } kCases[] = {
      {"/schema", "assay record", "c.json: schema: expected assay calibration, found assay record"},
      {"/schema_version", 2, "c.json: schema_version: expected 1, found 2"},
      {"/alpha", 0, "alpha: expected a rate in (0, 1]"},
      {"/alpha", 1.5, "alpha: expected a rate in (0, 1]"},
      {"/fit_prompts", -1, "fit_prompts: expected a count, found -1"},
      {"/coincidence/upper_bound", 0, "coincidence.upper_bound: expected a rate in (0, 1]"},
      {"/coincidence/equal", -3, "coincidence.equal: expected a count"},
      {"/false_positives/0/upper_bound", 2, "false_positives[0].upper_bound: expected a rate"},
      {"/cells/1/logprob_scores/0", -0.5, "cells[1].logprob_scores: expected numbers >= 0"},
      {"/cells/1/token_scores/0", "high", "cells[1].token_scores: expected numbers >= 0"},
      {"/cells/0/test/0/logprobs/0", -1, "cells[0].test[0].logprobs: expected numbers >= 0"},
      {"/cells/0/test/1/tokens", Json::array(),
       "cells[0].test[1].tokens: expected as many scores as logprobs"},
      {"/cells/0/mean_deviation", 0, "cells[0].mean_deviation: expected a number > 0"},
      {"/cells/0/level/nu", 5, "cells[0].level.nu: expected 2, 4, 8 or 30, found 5"},
      {"/cells/0/ratio/floor", 0, "cells[0].ratio.floor: expected a scale > 0"},
      {"/cells/0/ratio/coefficients", {1, 2}, "cells[0].ratio.coefficients: expected 5 numbers, found 2"},
      {"/cells/1/setup", "s9", "cells[1].setup: expected one of the calibration's setups, found s9"},
      {"/cells/0/test/2/setup", "s9",
       "cells[0].test[2].setup: expected one of the calibration's setups, found s9"},
      {"/replay", "sideways", "replay: expected prefill or decode, found sideways"},
  };
  for (const auto& [at, value, message] : kCases) {
    Json changed = json_;
    changed[Pointer(at)] = value;
    EXPECT_THAT(refusal(changed), HasSubstr(message)) << at;
  }
}

TEST_F(CalibrationFile, AFileThatIsNoneIsRefusedByName) {
  EXPECT_THAT(read_calibration(path_).error().message(), HasSubstr("assay_calibration_test.json"));
  ASSERT_TRUE(write_atomically(path_, json_.dump().substr(0, 500)));
  EXPECT_THAT(read_calibration(path_).error().message(), HasSubstr("assay_calibration_test.json"));
  EXPECT_THAT(refusal(Json::array()), StartsWith("c.json: "));
  EXPECT_THAT(refusal(Json("text")), StartsWith("c.json: "));
}

}  // namespace
}  // namespace assay
