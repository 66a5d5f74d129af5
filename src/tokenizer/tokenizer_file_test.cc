// Planted faults: each is one change to a good tokenizer.json, and the whole complaint about it.
#include "tokenizer/tokenizer_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tokenizer/small_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

struct PlantedFault {
  std::function<void(Json&)> plant;
  std::string message;
};

// Sets the value at a JSON pointer.
auto set(const std::string& pointer, const Json& value) {
  return [=](Json& json) { json[Json::json_pointer(pointer)] = value; };
}
auto erase(const std::string& key) {
  return [=](Json& json) { json.erase(key); };
}

void expect_faults(const std::vector<PlantedFault>& faults) {
  for (const auto& [plant, message] : faults) {
    Json json = small_tokenizer({{"a", "b"}, {"ab", "c"}});
    ASSERT_TRUE(Tokenizer::parse(json.dump(), "t.json").ok());
    plant(json);
    const auto tokenizer = Tokenizer::parse(json.dump(), "t.json");
    ASSERT_FALSE(tokenizer.ok()) << message;
    EXPECT_EQ(tokenizer.error().message(), message);
  }
}

TEST(TokenizerFile, RefusesOtherStructures) {
  expect_faults({
      {set("/version", "2.0"), R"(t.json: version: expected "1.0", found "2.0")"},
      {set("/truncation", {{"max_length", 5}}), "t.json: truncation: expected null, found an object"},
      {set("/padding", 1), "t.json: padding: expected null, found 1"},
      {set("/normalizer/type", "NFKC"), R"(t.json: normalizer.type: expected "NFC", found "NFKC")"},
      {set("/normalizer", "NFC"), R"(t.json: normalizer: expected an object, found "NFC")"},
      {set("/pre_tokenizer", nullptr), "t.json: pre_tokenizer: expected an object, found null"},
      {set("/pre_tokenizer/type", "ByteLevel"),
       R"(t.json: pre_tokenizer.type: expected "Sequence", found "ByteLevel")"},
      {set("/pre_tokenizer/pretokenizers", Json::array()),
       "t.json: pre_tokenizer.pretokenizers: expected Split, then ByteLevel, found an array of 0"},
      {set("/pre_tokenizer/pretokenizers/0/behavior", "Removed"),
       R"(t.json: pre_tokenizer.pretokenizers[0].behavior: expected "Isolated", found "Removed")"},
      {set("/pre_tokenizer/pretokenizers/0/invert", true),
       "t.json: pre_tokenizer.pretokenizers[0].invert: expected false, found true"},
      {set("/pre_tokenizer/pretokenizers/0/pattern", {{"String", " "}}),
       "t.json: pre_tokenizer.pretokenizers[0].pattern.Regex: expected a string, found nothing"},
      {set("/pre_tokenizer/pretokenizers/0/pattern/Regex", "^x"),
       "t.json: pre_tokenizer.pretokenizers[0].pattern.Regex: expected a pattern of the subset that two "
       "engines agree "
       "on, found the unescaped character ^ at byte 0 of ^x"},
      {set("/pre_tokenizer/pretokenizers/1/add_prefix_space", true),
       "t.json: pre_tokenizer.pretokenizers[1].add_prefix_space: expected false, found true"},
      {[](Json& json) { json["pre_tokenizer"]["pretokenizers"][1].erase("use_regex"); },
       "t.json: pre_tokenizer.pretokenizers[1].use_regex: expected false, found nothing"},
      {set("/decoder/type", "Metaspace"), R"(t.json: decoder.type: expected "ByteLevel", found "Metaspace")"},
      {erase("decoder"), "t.json: decoder: expected an object, found nothing"},
      {set("/post_processor/type", "BertProcessing"),
       R"(t.json: post_processor.type: expected null, ByteLevel, TemplateProcessing or Sequence, found "BertProcessing")"},
      {set("/extra", 1), "t.json: extra: expected a known key, found an unknown one with value 1"},
  });
}

TEST(TokenizerFile, RefusesOtherModels) {
  expect_faults({
      {erase("model"), "t.json: model.vocab: expected an object, found nothing"},
      {set("/model/type", "Unigram"), R"(t.json: model.type: expected "BPE", found "Unigram")"},
      {set("/model/dropout", 0.1), "t.json: model.dropout: expected null, found 0.1"},
      {set("/model/unk_token", "<unk>"), R"(t.json: model.unk_token: expected null, found "<unk>")"},
      {set("/model/continuing_subword_prefix", "##"),
       R"(t.json: model.continuing_subword_prefix: expected null or "", found "##")"},
      {set("/model/end_of_word_suffix", "</w>"),
       R"(t.json: model.end_of_word_suffix: expected null or "", found "</w>")"},
      {set("/model/fuse_unk", true), "t.json: model.fuse_unk: expected false, found true"},
      {set("/model/byte_fallback", true), "t.json: model.byte_fallback: expected false, found true"},
      {set("/model/ignore_merges", 1), "t.json: model.ignore_merges: expected true or false, found 1"},
      {set("/model/ignore_merge", true),
       "t.json: model.ignore_merge: expected a known key, found an unknown one with value true (did you mean "
       "ignore_merges?)"},
      {set("/model/vocab", Json::array()), "t.json: model.vocab: expected an object, found nothing"},
      {set("/model/vocab/ab", 300),
       R"(t.json: model.vocab: expected the ids 0 to 257, each once, found 300 for "ab")"},
      {set("/model/vocab/ab", 7),
       R"(t.json: model.vocab: expected the ids 0 to 257, each once, found 7 again for "ab")"},
      {set("/model/vocab/ab", -1), "t.json: model.vocab.ab: expected an id, found -1"},
      {set("/model/vocab/ab", 4294967296), "t.json: model.vocab.ab: expected an id, found 4294967296"},
      {set("/model/vocab/ab", "x"), "t.json: model.vocab.ab: expected an id, found \"x\""},
      {set("/model/vocab/ab", Json::object()), "t.json: model.vocab.ab: expected an id, found an object"},
      {[](Json& json) {
         json["model"]["vocab"]["other"] = 0;
         json["model"]["vocab"].erase("\u0100");
       },
       "t.json: model.vocab: expected a token for each of the 256 bytes, found none for \u0100"},
      {set("/model/merges", nullptr), "t.json: model.merges: expected an array, found nothing"},
      {set("/model/merges/1", "ab c d"),
       R"(t.json: model.merges[1]: expected a pair of tokens, found "ab c d")"},
      {set("/model/merges/1", "abc"), R"(t.json: model.merges[1]: expected a pair of tokens, found "abc")"},
      {set("/model/merges/1", Json::array({"ab"})),
       "t.json: model.merges[1]: expected a pair of tokens, found an array of 1"},
      {set("/model/merges/1/0", 3), "t.json: model.merges[1]: expected a pair of tokens, found 3"},
      {set("/model/merges/1/0", "zz"),
       R"(t.json: model.merges[1]: expected tokens of model.vocab, found "zz")"},
      {set("/model/merges/1/1", "b"),
       R"(t.json: model.merges[1]: expected tokens of model.vocab, found "abb")"},
      {set("/model/merges/1", Json::array({"a", "b"})),
       R"(t.json: model.merges[1]: expected each pair once, found "a b" again)"},
  });
}

TEST(TokenizerFile, RefusesWrongAddedTokens) {
  expect_faults({
      {erase("added_tokens"), "t.json: added_tokens: expected an array, found nothing"},
      {set("/added_tokens/0", 1), "t.json: added_tokens[0]: expected an object, found 1"},
      {set("/added_tokens/0/id", 300),
       "t.json: added_tokens[0].id: expected 258, the next free id, found 300"},
      {set("/added_tokens/0/content", "ab"),
       "t.json: added_tokens[0].id: expected 256, its id in model.vocab, found 258"},
      {set("/added_tokens/0/content", ""), "t.json: added_tokens[0].content: expected a token, found \"\""},
      {set("/added_tokens/0/lstrip", 0), "t.json: added_tokens[0].lstrip: expected true or false, found 0"},
      {set("/added_tokens/1", added_token_json(259, "<|end|>")),
       R"(t.json: added_tokens[1].content: expected each added token once, after normalizing too, found "<|end|>" again)"},
      {[](Json& json) { json["added_tokens"][0].erase("normalized"); },
       "t.json: added_tokens[0].normalized: expected true or false, found nothing"},
  });
}

TEST(TokenizerFile, RefusesWrongTemplates) {
  const auto plant = [](const std::string& pointer, const Json& value) {
    return [=](Json& json) {
      json["post_processor"] =
          Json::parse(R"({"type": "Sequence", "processors": [{"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [258], "tokens": ["<|end|>"]}}}]})");
      if (pointer.empty()) {
        ASSERT_TRUE(Tokenizer::parse(json.dump(), "t.json").ok());
        json["post_processor"]["processors"].push_back(json["post_processor"]["processors"][0]);
      } else {
        json["post_processor"]["processors"][0][Json::json_pointer(pointer)] = value;
      }
    };
  };
  const std::string at = "t.json: post_processor.processors[0].";
  expect_faults({
      {plant("", {}),
       "t.json: post_processor.processors[1]: expected ByteLevel, or one TemplateProcessing, found an "
       "object"},
      {plant("/single/0/SpecialToken/id", "<x>"),
       at + "special_tokens.<x>: expected an object, found nothing"},
      {plant("/special_tokens/<|end|>/ids", {1}),
       at + "special_tokens.<|end|>.ids: expected [258], the id in added_tokens, found [1]"},
      {plant("/special_tokens/<|end|>/id", "y"),
       at + R"(special_tokens.<|end|>.id: expected "<|end|>", found "y")"},
      {plant("/single/1/Sequence/id", "B"), at + R"(single[1].Sequence.id: expected A, once, found "B")"},
      {plant("/single/1", {{"SpecialToken", {{"id", "<|end|>"}, {"type_id", 0}}}}),
       at + "single: expected the sequence A, found none"},
      {plant("/single/1", {{"Other", 1}}), at + "single[1].SpecialToken: expected an object, found nothing"},
      {plant("/single", 3), at + "single: expected an array, found 3"},
      {plant("/type", "Sequence"),
       "t.json: post_processor.processors[0]: expected ByteLevel, or one TemplateProcessing, found an "
       "object"},
  });
}

TEST(TokenizerFile, RefusesBrokenJson) {
  const std::string good = small_tokenizer({{"a", "b"}}).dump();
  const auto message = [](const std::string& text) {
    return Tokenizer::parse(text, "t.json").error().message();
  };
  EXPECT_THAT(message(good.substr(0, good.size() / 2)),
              testing::StartsWith("t.json: expected JSON, found parse error at line 1, column"));
  EXPECT_THAT(message(""), testing::StartsWith("t.json: expected JSON, found parse error"));
  EXPECT_EQ(message("[]"), "t.json: model.vocab: expected an object, found nothing");
  EXPECT_EQ(message(R"({"a": 1, "a": 2})"),
            "t.json: a: expected each key once in an object, found the key twice");
  EXPECT_EQ(message(R"({"model": {"vocab": {}, "vocab": {}}})"),
            "t.json: model.vocab: expected each key once in an object, found the key twice");
  EXPECT_THAT(message(std::string(1000, '[')),
              testing::HasSubstr("expected nesting of at most 64, found more"));
  std::string twice = good;
  twice.replace(twice.find("\"ab\":256"), 8, "\"a\":256");
  EXPECT_EQ(message(twice), R"(t.json: model.vocab: expected each token once, found "a" again)");
  EXPECT_THAT(Tokenizer::open("/nonexistent/tokenizer.json").error().message(),
              testing::StartsWith("/nonexistent/tokenizer.json: "));
}

}  // namespace
}  // namespace assay
