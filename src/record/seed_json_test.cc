#include "record/seed_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "record/fingerprint.h"
#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "record/sample.h"

namespace assay {
namespace {

using testing::HasSubstr;

const std::filesystem::path kData =
    std::filesystem::path(ASSAY_SOURCE_DIR).parent_path() / "shared/data/int4_a100_h100";

// The schema of the seed's generation files, in small.
Json small_generation() {
  return Json::parse(R"({
    "metadata": {
      "environment": {"hostname": "h", "gpu_name": "GPU X", "gpu_count": 1},
      "model_configs": {"awq": {"model_name": "m", "quantization": "awq", "dtype": "float16"},
                        "plain": {"model_name": "n", "quantization": null, "dtype": "float16"}},
      "max_new_tokens": 2, "tokens_per_slice": 2, "num_references": 1, "top_k_logprobs": 2,
      "timestamp": "20251130_092450"},
    "generations": {
      "awq": [{"ref_idx": 0, "prompt_ids": [1, 2, 3], "generated_ids": [4, 5], "prompt_length": 3,
        "prefill_signals": {"pos_-2": {"logprobs": {"token_ids": [2, 8, 9], "log_probs": [-20.5, -0.25, -1.5]}},
                            "pos_-1": {"logprobs": {"token_ids": [3, 8], "log_probs": [-1.5, -0.5]}}},
        "decode_signals": {"pos_-1": {"logprobs": {"token_ids": [5, 6], "log_probs": [-0.75, -0.75]}}},
        "num_generated": 2}],
      "plain": [{"ref_idx": 0, "prompt_ids": [1, 2, 3], "generated_ids": [4, 5], "prompt_length": 3,
        "prefill_signals": {}, "decode_signals": {}, "num_generated": 2}]},
    "noise_floors": {"awq": {"decode": 0.0, "prefill": 0.0}}})");
}

std::string complaint(const std::function<void(Json&)>& edit) {
  Json document = small_generation();
  edit(document);
  const auto read = from_seed_json(document, "f.json");
  return read ? "no complaint" : read.error().message();
}

Json& awq(Json& document) { return document["generations"]["awq"][0]; }

TEST(SeedJson, PositionsAndRanksAreMapped) {
  const auto read = from_seed_json(small_generation(), "f.json");
  ASSERT_TRUE(read) << read.error().message();
  const Record& record = std::get<Record>(*read);
  EXPECT_EQ(lookup(record.environment, "gpu_count"), "1");
  EXPECT_EQ(record.setups[0].device, "GPU X");
  EXPECT_EQ(record.setups[0].profile, "");  // not recorded, here and below
  EXPECT_EQ(record.setups[0].prefill_tokens, 0);
  EXPECT_TRUE(record.setups[0].ran.empty());
  EXPECT_EQ(record.setups[1].quantization, "none");
  const Generation& run = record.generations[0];
  const std::vector<PositionScores> prefill = {{1, {{8, -0.25F, 1}, {9, -1.5F, 2}, {2, -20.5F, 0}}},
                                               {2, {{8, -0.5F, 1}, {3, -1.5F, 2}}}};
  const std::vector<PositionScores> decode = {{4, {{5, -0.75F, 1}, {6, -0.75F, 2}}}};
  EXPECT_EQ(run.prefill, prefill);
  EXPECT_EQ(run.decode, decode);
  EXPECT_EQ(to_seed_json(record)["generations"]["awq"][0], small_generation()["generations"]["awq"][0]);
}

TEST(SeedJson, ComplaintsNameFileAndKey) {
  EXPECT_THAT(complaint([](Json& d) { awq(d)["prompt_length"] = 4; }),
              HasSubstr("f.json: generations.awq[0]: prompt_length: expected 3, the number of ids, found 4"));
  EXPECT_THAT(
      complaint([](Json& d) { awq(d)["prefill_signals"]["pos_-4"] = awq(d)["prefill_signals"]["pos_-1"]; }),
      HasSubstr("expected positions from pos_-3 to pos_-1, found pos_-4"));
  EXPECT_THAT(
      complaint([](Json& d) { awq(d)["prefill_signals"]["pos_0"] = awq(d)["prefill_signals"]["pos_-1"]; }),
      HasSubstr("found pos_0"));
  auto& (*scores)(Json&) = +[](Json& d) -> Json& { return awq(d)["prefill_signals"]["pos_-1"]["logprobs"]; };
  EXPECT_THAT(complaint([&](Json& d) { scores(d)["log_probs"][1] = 0.5; }),
              HasSubstr("expected a finite log-probability <= 0, found 0.5"));
  EXPECT_THAT(complaint([&](Json& d) { scores(d)["log_probs"][1] = "Infinity"; }),
              HasSubstr("prefill_signals.pos_-1: log_probs[1]: expected a number"));
  EXPECT_THAT(complaint([&](Json& d) { scores(d)["log_probs"].push_back(-3.0); }),
              HasSubstr("2 log-probabilities"));
  EXPECT_THAT(complaint([&](Json& d) { scores(d)["token_ids"][0] = 7; }),
              HasSubstr("the position's own token 3"));
  EXPECT_THAT(complaint([&](Json& d) { scores(d)["token_ids"][0] = 5000000000; }), HasSubstr("token_ids[0]"));
  EXPECT_THAT(complaint([&](Json& d) {
                scores(d) = {{"token_ids", {3, 4, 5, 6}}, {"log_probs", {-1, -2, -3, -4}}};
              }),
              HasSubstr("expected 1 to 3 ids, found 4"));
  EXPECT_THAT(complaint([](Json& d) { d["metadata"]["num_references"] = 2; }), HasSubstr("2 references"));
  EXPECT_THAT(complaint([](Json& d) { d["metadata"]["top_k"] = 2; }),
              HasSubstr("f.json: top_k: expected a known key"));
  EXPECT_THAT(complaint([](Json& d) { d["metadata"].erase("timestamp"); }),
              HasSubstr("timestamp: expected a string"));
  EXPECT_THAT(complaint([](Json& d) { d["generations"]["b"] = d["generations"]["awq"]; }),
              HasSubstr("b/ref_0: expected a known setup"));
  EXPECT_THAT(complaint([](Json& d) { d.erase("generations"); }), HasSubstr("found neither"));
  EXPECT_THAT(complaint([](Json& d) { d = 3; }), HasSubstr("found neither"));
}

TEST(SeedJson, ExportAndImportKeepTheBits) {
  Record record = sample_record();
  for (Generation& run : record.generations) run.prefill[0].scores[2].rank = 0;  // beyond the top k: not kept
  record.settings.last_positions = 2;                                            // as many as there are
  record.settings.runs = 0;  // no place in this schema, here and below
  record.settings.ignore_eos = false;
  record.settings.sampling = {};
  const auto text = dump_json(to_seed_json(record), InfinityStyle::bare);
  const auto read = from_seed_json(*parse_infinite_json(text, "f"), "f");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(std::get<Record>(*read), record);
  EXPECT_EQ(fingerprint(std::get<Record>(*read)), fingerprint(record));
}

TEST(SeedJson, VerificationsExportAndImport) {
  Verification verification = sample_verification();
  verification.reexecutions.clear();  // no place in this schema, here and below
  verification.claims.clear();
  verification.claimed_settings = {};
  verification.comparisons = {{.reference = 0,
                               .claimed = "awq",
                               .verifier = "awq",
                               .prefill = {.mean = 0.1, .max = 0.2},
                               .decode = {.mean = HUGE_VAL, .max = HUGE_VAL}}};
  const auto text = dump_json(to_seed_json(verification), InfinityStyle::bare);
  EXPECT_THAT(text, HasSubstr(": Infinity"));
  const auto read = from_seed_json(*parse_infinite_json(text, "f"), "f");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(std::get<Verification>(*read), verification);

  Json wrong = to_seed_json(verification);
  wrong["comparisons"][0]["is_diagonal"] = false;
  EXPECT_THAT(from_seed_json(wrong, "f").error().message(),
              HasSubstr("comparisons[0]: is_diagonal: expected true"));
  wrong["comparisons"][0] = 7;
  EXPECT_FALSE(from_seed_json(wrong, "f"));
  wrong = to_seed_json(verification);
  wrong["comparisons"].push_back(wrong["comparisons"][0]);
  EXPECT_THAT(from_seed_json(wrong, "f").error().message(), HasSubstr("the comparison twice"));
}

TEST(SeedJson, RealFilesComeBackAsTheyWere) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "no " << kData;
  for (const char* name : {"INT4_A100_generation.json", "INT4_H100_generation.json"}) {
    const auto record = read_generation(kData / name);
    ASSERT_TRUE(record) << record.error().message();
    Json original = *read_infinite_json(kData / name);
    for (const char* table : {"prefill_sanity_check", "decode_sanity_check"}) original.erase(table);
    // Compared as unordered JSON: Python's key order is not ours.
    EXPECT_EQ(nlohmann::json(to_seed_json(*record)), nlohmann::json(original)) << name;
  }
  const char* name = "INT4_A100_generation_H100verification.json";
  const auto verification = read_verification(kData / name);
  ASSERT_TRUE(verification) << verification.error().message();
  EXPECT_EQ(nlohmann::json(to_seed_json(*verification)["comparisons"]),
            nlohmann::json(read_infinite_json(kData / name)->at("comparisons")));
}

}  // namespace
}  // namespace assay
