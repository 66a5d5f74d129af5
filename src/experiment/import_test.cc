#include "experiment/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "record/run_folder.h"
#include "tokenizer/small_tokenizer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// "ab" is one token, 256; every other byte is one.
Tokenizer tokenizer() { return *Tokenizer::parse(small_tokenizer({{"a", "b"}}).dump(), "tokenizer.json"); }

ImportOptions options(ImportFormat format) {
  return {
      .format = format,
      .choice = {
          .setup = {
              .name = "claimed", .model = "m", .quantization = "awq", .dtype = "float16", .device = "a100"}}};
}

struct Request {
  std::string context;
  std::string continuation;
  std::string logprob;
};

std::string line(Index doc, const std::vector<Request>& requests) {
  Json arguments = Json::object(), responses = Json::array();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    arguments["gen_args_" + std::to_string(i)] = {{"arg_0", requests[i].context},
                                                  {"arg_1", requests[i].continuation}};
    responses.push_back(Json::array({Json::array({requests[i].logprob, "False"})}));
  }
  const Json json = {
      {"doc_id", doc}, {"arguments", arguments}, {"resps", responses}, {"metrics", Json::array()}};
  return json.dump() + "\n";
}

Result<Imported> import_lines(const std::string& text) {
  return import_record(text, "s.jsonl", tokenizer(), options(ImportFormat::lm_eval));
}

TEST(ImportLmEval, OneTokenContinuationsOfOneContextAreOnePosition) {
  const auto imported =
      import_lines(line(0, {{"Q:", "x", "-1.25"}, {"Q:", "y", "-0.5"}, {"R:", "x", "-0.75"}}));
  ASSERT_TRUE(imported) << imported.error().message();
  const auto& all = imported->record.generations;
  ASSERT_EQ(all.size(), 2U);
  EXPECT_THAT(all[0].prompt_ids, ElementsAre('Q', ':', 'x'));
  EXPECT_TRUE(all[0].generated_ids.empty());
  EXPECT_THAT(all[0].prefill, ElementsAre(PositionScores{2, {{'y', -0.5F, 0}, {'x', -1.25F, 0}}}));
  EXPECT_THAT(all[1].prompt_ids, ElementsAre('R', ':', 'x'));
  EXPECT_EQ(all[1].reference, 1);
  EXPECT_EQ(imported->documents, 1);
  EXPECT_TRUE(imported->dropped.empty());
  EXPECT_EQ(lookup(imported->record.setups[0].ran, "ids"), "retokenized");
  EXPECT_EQ(imported->record.settings.references, 2);
  EXPECT_EQ(imported->record.settings.top_k, 2);
}

TEST(ImportLmEval, SpacesAtTheEndOfTheContextAreTheContinuations) {
  const auto imported = import_lines(line(0, {{"Q: ", "", "-1"}}));
  ASSERT_TRUE(imported) << imported.error().message();
  EXPECT_THAT(imported->record.generations[0].prompt_ids, ElementsAre('Q', ':', ' '));
}

TEST(ImportLmEval, WhatHasNoPlaceIsDroppedAndCounted) {
  const auto imported = import_lines(line(0, {{"Q:", "x", "-1"},
                                              {"Q:", "xy", "-2"},  // two tokens
                                              {"Qa", "b", "-1"},   // "ab" is one token across the boundary
                                              {"", "x", "-1"},     // no context
                                              {"Q:", "y", "-inf"},
                                              {"Q\xEF\xBF\xBD:", "x", "-1"}}));  // bytes were lost
  ASSERT_TRUE(imported) << imported.error().message();
  EXPECT_EQ(imported->record.generations.size(), 1U);
  EXPECT_THAT(imported->dropped,
              ElementsAre(Pair("ambiguous boundary of context and continuation", 1),
                          Pair("ambiguous text", 1), Pair("empty context", 1), Pair("probability of zero", 1),
                          Pair("sum over several tokens", 1)));
  EXPECT_THAT(imported->summary(), HasSubstr("1 sequences from 1 documents; dropped: ambiguous boundary"));
  EXPECT_EQ(lookup(imported->record.setups[0].ran, "dropped_empty context"), "1");
}

TEST(ImportLmEval, Errors) {
  EXPECT_THAT(
      import_lines(line(0, {{"Q:", "xy", "-1"}})).error().message(),
      HasSubstr("s.jsonl: expected a sequence that a record can hold, found 0 sequences from 1 documents; "
                "dropped: sum over several tokens (1)"));
  EXPECT_THAT(import_lines(line(0, {{"Q:", "x", "-1"}, {"Q:", "x", "-2"}})).error().message(),
              HasSubstr("s.jsonl, line 1: resps: expected one log-probability of token 120"));
  EXPECT_THAT(import_lines(line(0, {{"Q:", "x", "-0.01"}, {"Q:", "y", "-0.01"}})).error().message(),
              HasSubstr("sum to 1 at most"));
  auto sampled = options(ImportFormat::lm_eval);
  sampled.choice.sampling = Sampling{Sampler::exponential_race, 1, 0};
  EXPECT_THAT(import_record("", "s.jsonl", tokenizer(), sampled).error().message(), HasSubstr("sampling"));
}

std::string samples(bool provider) {
  Json config = {{"temperature", 0}};
  if (provider) config["provider"] = "groq";
  const auto sample = [](const Json& prompt, const Json& generated) {
    return Json{{"prompt_token_ids", prompt}, {"outputs", Json::array({Json{{"token_ids", generated}}})}};
  };
  // "x", "ab" as one token; "ab" as two; half of a UTF-8 sequence.
  const Json all = {sample({'x'}, {256}), sample({'x'}, {'a', 'b'}), sample({'x'}, {0xC3})};
  return Json{{"config", config}, {"samples", all}}.dump();
}

TEST(ImportDifr, RetokenizedSequencesThatAreNotCertainAreDropped) {
  const auto recorded = import_record(samples(false), "f.json", tokenizer(), options(ImportFormat::difr));
  ASSERT_TRUE(recorded) << recorded.error().message();
  EXPECT_EQ(recorded->record.generations.size(), 3U);
  const auto made = import_record(samples(true), "f.json", tokenizer(), options(ImportFormat::difr));
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_EQ(made->record.generations.size(), 1U);
  EXPECT_THAT(made->record.generations[0].generated_ids, ElementsAre(256));
  EXPECT_THAT(made->dropped, ElementsAre(Pair("ambiguous text", 2)));
  EXPECT_EQ(made->documents, 3);
}

TEST(ImportRun, WritesARunThatReadsBack) {
  const fs::path folder = fs::path(testing::TempDir()) / "import_run";
  fs::remove_all(folder);
  ASSERT_TRUE(write_atomically(folder / "samples.json", samples(true)));
  ASSERT_TRUE(write_atomically(folder / "model" / "tokenizer.json", small_tokenizer({{"a", "b"}}).dump()));
  auto wish = options(ImportFormat::difr);
  wish.choice.setup.model = (folder / "model").string();
  const auto imported = import_run(folder / "samples.json", folder / "run", wish);
  ASSERT_TRUE(imported) << imported.error().message();
  const auto read = read_generation(folder / "run");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, imported->record);
  EXPECT_EQ(lookup(read->environment, "imported_file"), "samples.json");
  EXPECT_FALSE(import_run(folder / "none.json", folder / "run2", wish));
  wish.choice.setup.model = (folder / "nowhere").string();
  EXPECT_FALSE(import_run(folder / "samples.json", folder / "run2", wish));
  EXPECT_FALSE(fs::exists(folder / "run2"));
  fs::remove_all(folder);
}

TEST(ImportFormat, Words) {
  EXPECT_EQ(import_format("difr"), ImportFormat::difr);
  EXPECT_EQ(import_format("lm-eval"), ImportFormat::lm_eval);
  EXPECT_FALSE(import_format("lm_eval"));
}

}  // namespace
}  // namespace assay
