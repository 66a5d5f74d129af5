// The encodings below the run folder: JSON with infinities, progress lines, score tensors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>

#include "number/compare.h"
#include "record/fingerprint.h"
#include "record/infinite_json.h"
#include "record/sample.h"
#include "record/score_tensors.h"
#include "record/sequence_line.h"

namespace assay {
namespace {

using testing::HasSubstr;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(InfiniteJson, ReadsPythonsInfinityOnlyWhereItIsAValue) {
  const auto json =
      parse_infinite_json(R"({"a": [Infinity, 1.5], "b\"": "NaN -Infinity", "c": "Infinity"})", "f");
  ASSERT_TRUE(json) << json.error().message();
  EXPECT_EQ(json->at("a")[0], "Infinity");
  EXPECT_EQ(json->at("b\""), "NaN -Infinity");
  EXPECT_EQ(*distance_from_json(*json, "f", "c"), kInfinity);
}

TEST(InfiniteJson, NamesTheLineOfANaN) {
  EXPECT_EQ(parse_infinite_json("{\n\"a\": NaN}", "f.json").error().message(),
            "f.json: line 2: expected a number, found NaN");
}

TEST(InfiniteJson, DistancesAreNotNegative) {
  const Json json = {{"minus", -1}, {"low", "-Infinity"}, {"text", "x"}, {"fine", 0.5}};
  for (const char* key : {"minus", "low", "text", "absent"})
    EXPECT_FALSE(distance_from_json(json, "f", key)) << key;
  EXPECT_EQ(*distance_from_json(json, "f", "fine"), 0.5);
  EXPECT_THROW(distance_to_json(-kInfinity), Fault);
  EXPECT_THROW(distance_to_json(std::numeric_limits<double>::quiet_NaN()), Fault);
}

TEST(InfiniteJson, WritesBothStyles) {
  Json json;
  json["Infinity"] = distance_to_json(kInfinity);
  json["text"] = "say \"Infinity\"";
  EXPECT_EQ(dump_json(json), "{\n  \"Infinity\": \"Infinity\",\n  \"text\": \"say \\\"Infinity\\\"\"\n}\n");
  EXPECT_EQ(dump_json(json, InfinityStyle::bare),
            "{\n  \"Infinity\": Infinity,\n  \"text\": \"say \\\"Infinity\\\"\"\n}\n");
}

TEST(InfiniteJson, EveryPrefixIsRefused) {
  const std::string text = R"({"a": [Infinity, "x\\"], "b": -Infinity})";
  ASSERT_TRUE(parse_infinite_json(text, "f"));
  for (std::size_t n = 0; n < text.size(); ++n)
    EXPECT_FALSE(parse_infinite_json(text.substr(0, n), "f")) << n;
}

TEST(SequenceLine, KeepsEveryBit) {
  Record record = sample_record();
  std::mt19937 random(1);
  for (Generation& generation : record.generations) {
    for (TokenScore& score : generation.prefill[0].scores) {
      // Any finite negative float: sign set, the exponent not all ones.
      const auto bits = 0x80000000U | (static_cast<std::uint32_t>(random()) % 0x7f800000U);
      score.logprob = std::bit_cast<float>(bits);
    }
    const std::string line = to_line(generation);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto read = generation_from_line(line, "progress.jsonl:1");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, generation);
    Record a = record;
    Record b = record;
    a.generations = {generation};
    b.generations = {*read};
    EXPECT_EQ(fingerprint(a), fingerprint(b));
  }
  Verification verification = sample_verification();
  Reexecution& run = verification.reexecutions[5];
  for (TokenCheck& check : run.tokens) {
    check.margin = std::bit_cast<float>(static_cast<std::uint32_t>(random()) % 0x7f800000U);
    check.logprob = std::bit_cast<float>(0x80000000U | (static_cast<std::uint32_t>(random()) % 0x7f800000U));
  }
  const auto read = reexecution_from_line(to_line(run), "progress.jsonl:1");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, run);
  const std::string written = fingerprint(verification);
  run = *read;
  EXPECT_EQ(fingerprint(verification), written);
}

TEST(SequenceLine, RefusesWhatItDoesNotKnow) {
  const std::string line = to_line(sample_record().generations[0]);
  for (std::size_t n = 0; n < line.size(); ++n)
    EXPECT_FALSE(generation_from_line(line.substr(0, n), "f")) << n;
  Json json = Json::parse(line);
  json["prefill"][1]["ranks"].push_back(3);
  EXPECT_THAT(generation_from_line(json.dump(), "f:1").error().message(),
              HasSubstr("f:1: prefill[1]: logprobs: expected 2 log-probabilities and ranks"));
  json = Json::parse(line);
  json["colour"] = 1;
  EXPECT_THAT(generation_from_line(json.dump(), "f").error().message(), HasSubstr("colour"));
  json = Json::parse(line);
  json["prompt_ids"][2] = 1.5;
  EXPECT_THAT(generation_from_line(json.dump(), "f").error().message(), HasSubstr("prompt_ids[2]"));
  EXPECT_FALSE(reexecution_from_line(line, "f"));
  json = Json::parse(to_line(sample_verification().reexecutions[0]));
  json["tokens"]["ranks"].push_back(3);
  EXPECT_THAT(reexecution_from_line(json.dump(), "f:1").error().message(),
              HasSubstr("f:1: tokens: positions: expected lists of one length, found 3, 4, 3 and 3"));
}

TEST(ScoreTensors, KeepEveryBit) {
  FlatScores scores;
  std::mt19937 random(2);
  for (int i = 0; i < 1000; ++i) {
    scores.push_back({static_cast<TokenId>(random()),
                      std::bit_cast<float>(static_cast<std::uint32_t>(random())),
                      static_cast<std::int32_t>(random())});
  }
  const auto read = decode_scores(bytes_of(encode_scores(scores)), "f");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    EXPECT_EQ((*read)[i].id, scores[i].id);
    EXPECT_TRUE(same_bits((*read)[i].logprob, scores[i].logprob));
    EXPECT_EQ((*read)[i].rank, scores[i].rank);
  }
  EXPECT_TRUE(decode_scores(bytes_of(encode_scores({})), "f")->empty());
}

TEST(ScoreTensors, AreLaidOutAsTheFormatSays) {
  const std::string bytes = encode_scores({{1, -0.5F, 1}, {2, -1.0F, 2}});
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(bytes.size(), 8 + length + 2 * 3 * 4);
  EXPECT_EQ(Json::parse(bytes.substr(8, length)).at("logprob"),
            Json::parse(R"({"dtype": "F32", "shape": [2], "data_offsets": [8, 16]})"));
}

TEST(ScoreTensors, EveryTruncationAndEveryLieIsRefused) {
  const std::string good = encode_scores({{1, -0.5F, 1}, {2, -1.0F, 2}});
  for (std::size_t n = 0; n < good.size(); ++n)
    EXPECT_FALSE(decode_scores(bytes_of(good.substr(0, n)), "f")) << n;
  EXPECT_FALSE(decode_scores(bytes_of(good + "12345678901234567890abcd"), "f"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    bytes.replace(bytes.find(from), from.size(), to);
    const auto read = decode_scores(bytes_of(bytes), "f");
    return read ? "no complaint" : read.error().message();
  };
  EXPECT_THAT(with("\"I32\"", "\"F32\""), HasSubstr("ids: dtype: expected I32, found F32"));
  EXPECT_THAT(with("[2]", "[3]"), HasSubstr("ids: shape: expected [2]"));
  EXPECT_THAT(with("[8,16]", "[0,16]"), HasSubstr("logprob: data_offsets: expected 8 to 16"));
  EXPECT_THAT(with("\"rank\"", "\"rink\""), HasSubstr("did you mean rank?"));
  std::string huge = good;
  huge.replace(0, 8, 8, '\xff');
  EXPECT_THAT(decode_scores(bytes_of(huge), "f").error().message(), HasSubstr("18446744073709551615"));
}

}  // namespace
}  // namespace assay
