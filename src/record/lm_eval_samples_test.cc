#include "record/lm_eval_samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Json likelihoods() {
  return *parse_json(R"({
    "doc_id": 7, "doc": {"question": "any", "n": 1}, "target": "0",
    "arguments": {"gen_args_0": {"arg_0": "Answer:", "arg_1": " A"}, "gen_args_1": {"arg_0": "Answer:", "arg_1": " B"}},
    "resps": [[["-0.5", "True"]], [["-inf", "False"]]],
    "filtered_resps": [["-0.5", "True"], ["-inf", "False"]],
    "filter": "none", "metrics": ["acc", "acc_norm"], "doc_hash": "a", "prompt_hash": "b", "target_hash": "c",
    "acc": 1.0, "acc_norm": 0.0})",
                     "line");
}

Json one_request(const Json& arguments, const Json& response) {
  Json line = likelihoods();
  line["arguments"] = {{"gen_args_0", arguments}};
  line["resps"] = Json::array({Json::array({response})});
  return line;
}

Result<LmEvalSamples> read(const std::vector<Json>& lines) {
  std::string text;
  for (const Json& line : lines) text += line.dump() + "\n";
  return read_lm_eval_samples(text, "s.jsonl");
}

std::string complaint(const std::vector<Json>& lines) {
  const auto samples = read(lines);
  return samples ? "no complaint" : samples.error().message();
}

TEST(LmEvalSamples, ReadsLikelihoods) {
  const auto samples = read({likelihoods()});
  ASSERT_TRUE(samples) << samples.error().message();
  ASSERT_EQ(samples->documents.size(), 1U);
  EXPECT_EQ(samples->documents[0].id, 7);
  EXPECT_THAT(samples->documents[0].likelihoods, ElementsAre(Likelihood{"Answer:", " A", -0.5, true},
                                                             Likelihood{"Answer:", " B", -INFINITY, false}));
}

TEST(LmEvalSamples, CountsWhatIsNoLikelihood) {
  Json rolling = one_request({{"arg_0", "A long text."}}, "-123.5");
  Json generated = one_request({{"arg_0", "Q:"}, {"arg_1", {{"until", {"\n"}}}}}, "a text");
  rolling["doc_id"] = 1;
  generated["doc_id"] = 2;
  Json filtered = likelihoods();
  filtered["filter"] = "other";
  const auto samples = read({likelihoods(), rolling, generated, filtered});
  ASSERT_TRUE(samples) << samples.error().message();
  EXPECT_EQ(samples->documents.size(), 1U);
  EXPECT_EQ(samples->rolling, 1);
  EXPECT_EQ(samples->generated, 1);
  EXPECT_EQ(samples->repeated, 1);
}

TEST(LmEvalSamples, OtherStructuresAreErrors) {
  const auto changed = [](const char* pointer, const Json& value) {
    Json line = likelihoods();
    line[Json::json_pointer(pointer)] = value;
    return complaint({line});
  };
  EXPECT_THAT(complaint({Json(1)}), HasSubstr("s.jsonl, line 1: expected an object"));
  EXPECT_THAT(read_lm_eval_samples("{", "s.jsonl").error().message(), HasSubstr("s.jsonl, line 1"));
  EXPECT_THAT(changed("/f1", 0.5), HasSubstr("f1"));  // a metric that `metrics` does not list
  EXPECT_THAT(changed("/metrics", "acc"), HasSubstr("metrics: expected an array"));
  EXPECT_THAT(changed("/doc_id", "7"), HasSubstr("doc_id: expected an integer"));
  EXPECT_THAT(changed("/arguments", Json::array()), HasSubstr("arguments: expected an object"));
  EXPECT_THAT(changed("/arguments/gen_args_0", "text"), HasSubstr("arguments.gen_args_0: expected {arg_0"));
  EXPECT_THAT(changed("/arguments/gen_args_0/arg_0", 1), HasSubstr("arguments.gen_args_0"));
  EXPECT_THAT(changed("/arguments/gen_args_0/arg_1", 1), HasSubstr("arguments.gen_args_0"));
  EXPECT_THAT(changed("/arguments/gen_args_0/arg_2", 1), HasSubstr("arguments.gen_args_0"));
  EXPECT_THAT(changed("/arguments/gen_args_2", {{"arg_0", "x"}}), HasSubstr("expected 3 responses"));
  EXPECT_THAT(changed("/resps", "x"), HasSubstr("resps: expected an array"));
  EXPECT_THAT(changed("/resps/0", Json::array()), HasSubstr("resps[0]: expected one response"));
  EXPECT_THAT(changed("/resps/0/0", "text"), HasSubstr("resps[0]: expected one response"));
  EXPECT_THAT(changed("/resps/0/0/1", "maybe"), HasSubstr("resps[0]: expected one response"));
  for (const char* number : {"0.5", "nan", "-1.5x", ""}) {
    EXPECT_THAT(changed("/resps/0/0/0", number),
                HasSubstr("resps[0][0][0]: expected a log-probability <= 0"));
  }
  EXPECT_THAT(changed("/resps/0/0/0", -0.5), HasSubstr("as a text, found -0.5"));
  Json renamed = likelihoods();
  renamed["arguments"]["gen_args_9"] = renamed["arguments"]["gen_args_1"];
  renamed["arguments"].erase("gen_args_1");
  EXPECT_THAT(complaint({renamed}), HasSubstr("arguments: expected gen_args_1"));
}

TEST(LmEvalSamples, ADocumentHasOneSetOfRequests) {
  Json other = likelihoods();
  other["resps"][0][0][0] = "-0.75";
  EXPECT_THAT(complaint({likelihoods(), other}), HasSubstr("s.jsonl, line 2: doc_id"));
}

}  // namespace
}  // namespace assay
