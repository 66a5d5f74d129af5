#include "record/difr_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kFile = R"({
  "config": {"model": "org/name", "temperature": 0.0, "n_samples": 2},
  "samples": [
    {"prompt_token_ids": [1, 2, 3], "outputs": [{"token_ids": [4, 5]}]},
    {"prompt_token_ids": [6, 7],
     "prompt_logprobs": [null, {"7": {"logprob": -1.5, "rank": 9, "decoded_token": "x"},
                                "3": {"logprob": -0.25, "rank": 1, "decoded_token": null}}],
     "outputs": [{"token_ids": [8], "finish_reason": "length",
                  "logprobs": [{"8": {"logprob": -0.10000000149011612, "rank": null}, "9": {"logprob": -9999.0}}]}]}
  ]})";

const ImportChoice kChoice{
    .setup = {
        .name = "claimed", .model = "models/m", .quantization = "awq", .dtype = "float16", .device = "a100"}};

std::string complaint(const Json& document, const ImportChoice& choice = kChoice) {
  const auto record = import_difr(document.dump(), "f.json", choice);
  return record ? "no complaint" : record.error().message();
}

Json good() { return *parse_json(kFile, "f.json"); }

TEST(DifrImport, ReadsIdsAndLogProbabilities) {
  const auto record = import_difr(kFile, "f.json", kChoice);
  ASSERT_TRUE(record) << record.error().message();
  ASSERT_EQ(record->generations.size(), 2U);
  const Generation& plain = record->generations[0];
  EXPECT_EQ(plain, (Generation{"claimed", 0, {1, 2, 3}, {4, 5}, {}, {}}));
  const Generation& scored = record->generations[1];
  EXPECT_EQ(scored.reference, 1);
  EXPECT_THAT(scored.prefill, ElementsAre(PositionScores{1, {{3, -0.25F, 1}, {7, -1.5F, 9}}}));
  EXPECT_THAT(scored.decode, ElementsAre(PositionScores{2, {{8, -0.1F, 0}}}));
  EXPECT_EQ(record->settings.references, 2);
  EXPECT_EQ(record->settings.max_new_tokens, 2);
  EXPECT_EQ(record->settings.top_k, 2);
  EXPECT_EQ(record->settings.sampling, Sampling{});
  EXPECT_EQ(lookup(record->setups[0].ran, "ids"), "ids");
  EXPECT_THAT(lookup(record->environment, "difr_config"), HasSubstr("org/name"));
}

TEST(DifrImport, IdsOfAProviderAreRetokenized) {
  Json document = good();
  document["config"]["provider"] = "groq";
  const auto record = import_difr(document.dump(), "f.json", kChoice);
  ASSERT_TRUE(record);
  EXPECT_EQ(lookup(record->setups[0].ran, "ids"), "retokenized");
}

TEST(DifrImport, SamplingIsNeverGuessed) {
  Json document = good();
  document["config"]["temperature"] = 0.7;
  EXPECT_THAT(complaint(document), HasSubstr("config.temperature: expected 0 (greedy), or a sampling"));
  document["config"].erase("temperature");
  EXPECT_THAT(complaint(document), HasSubstr("found nothing"));
  ImportChoice choice = kChoice;
  choice.sampling = Sampling{Sampler::exponential_race, 0.7, 42};
  const auto record = import_difr(document.dump(), "f.json", choice);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->settings.sampling, *choice.sampling);
  document["config"]["temperature"] = 0.8;
  EXPECT_THAT(complaint(document, choice), HasSubstr("expected 0.7 (of the sampling given), found 0.8"));
  document["config"]["temperature"] = "hot";
  EXPECT_THAT(complaint(document, choice), HasSubstr("config.temperature: expected a number, found \"hot\""));
}

TEST(DifrImport, OtherStructuresAreErrors) {
  const auto changed = [](const char* pointer, const Json& value) {
    Json document = good();
    document[Json::json_pointer(pointer)] = value;
    return complaint(document);
  };
  EXPECT_THAT(complaint(Json::array()), HasSubstr("f.json: expected an object"));
  EXPECT_THAT(changed("/extra", 1), HasSubstr("extra"));
  EXPECT_THAT(changed("/config", 1), HasSubstr("config: expected an object, found 1"));
  EXPECT_THAT(changed("/samples", 1), HasSubstr("samples: expected an array, found 1"));
  EXPECT_THAT(changed("/samples/0", 1), HasSubstr("samples[0]: expected an object, found 1"));
  EXPECT_THAT(changed("/samples/0/extra", 1), HasSubstr("samples[0].extra"));
  EXPECT_THAT(changed("/samples/0/prompt_token_ids", "1 2"), HasSubstr("samples[0].prompt_token_ids"));
  EXPECT_THAT(changed("/samples/0/prompt_token_ids/1", 1.5), HasSubstr("samples[0].prompt_token_ids[1]"));
  EXPECT_THAT(changed("/samples/0/prompt_token_ids", Json::array()), HasSubstr("at least one token"));
  EXPECT_THAT(changed("/samples/0/outputs", Json::array()), HasSubstr("expected one output, found 0"));
  EXPECT_THAT(changed("/samples/0/outputs/0", 1), HasSubstr("samples[0].outputs[0]: expected an object"));
  EXPECT_THAT(changed("/samples/0/outputs/0/extra", 1), HasSubstr("samples[0].outputs[0].extra"));
  EXPECT_THAT(changed("/samples/0/outputs/0/token_ids/0", -4), HasSubstr("not negative"));
  EXPECT_THAT(changed("/samples", Json::array()), HasSubstr("generations of each setup"));
}

TEST(DifrImport, OtherLogProbabilitiesAreErrors) {
  const auto changed = [](const char* pointer, const Json& value) {
    Json document = good();
    document[Json::json_pointer(std::string("/samples/1") + pointer)] = value;
    return complaint(document);
  };
  EXPECT_THAT(changed("/prompt_logprobs", 1), HasSubstr("prompt_logprobs: expected an array, found 1"));
  EXPECT_THAT(changed("/prompt_logprobs", Json::array({nullptr})),
              HasSubstr("expected 2 positions, found 1"));
  EXPECT_THAT(changed("/prompt_logprobs/0", Json::object()), HasSubstr("prompt_logprobs[0]: expected null"));
  EXPECT_THAT(changed("/prompt_logprobs/1", nullptr), HasSubstr("prompt_logprobs[1]: expected an object"));
  EXPECT_THAT(changed("/prompt_logprobs/1/word", Json::object()),
              HasSubstr("expected a token id, found word"));
  EXPECT_THAT(changed("/prompt_logprobs/1/7/logprob", nullptr),
              HasSubstr("prompt_logprobs[1].7.logprob: expected a number, found null"));
  EXPECT_THAT(changed("/prompt_logprobs/1/7/logprob", -9999.0), HasSubstr("own token 7"));
  EXPECT_THAT(changed("/prompt_logprobs/1/7/logprob", 0.5), HasSubstr("log-probability <= 0"));
  EXPECT_THAT(changed("/prompt_logprobs/1/7/rank", 0),
              HasSubstr("prompt_logprobs[1].7.rank: expected a rank"));
  EXPECT_THAT(changed("/prompt_logprobs/1/7/extra", 0), HasSubstr("extra"));
  EXPECT_THAT(changed("/prompt_token_ids/1", 5), HasSubstr("own token 5"));
  EXPECT_THAT(changed("/outputs/0/logprobs/0/8/logprob", "x"), HasSubstr("outputs[0].logprobs[0].8.logprob"));
}

}  // namespace
}  // namespace assay
