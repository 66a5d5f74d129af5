#include "record/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "record/fingerprint.h"
#include "record/sample.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// == on floats takes -0 for +0; the fingerprint is over bits.
class RunFolder : public testing::Test {
 protected:
  RunFolder()
      : folder_(fs::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(folder_);
  }
  ~RunFolder() override { fs::remove_all(folder_); }

  std::string text(const char* file) const { return *read_text(folder_ / file); }
  void replace(const char* file, const std::string& content) const {
    ASSERT_TRUE(write_atomically(folder_ / file, content));
  }
  void edit_manifest(const std::function<void(Json&)>& edit) const {
    Json manifest = *read_json(folder_ / "manifest.json");
    edit(manifest);
    replace("manifest.json", manifest.dump());
  }
  std::string complaint() const {
    const auto loaded = read_record(folder_);
    return loaded ? "no complaint" : loaded.error().message();
  }

  fs::path folder_;
};

TEST_F(RunFolder, RecordKeepsEveryBit) {
  const Record record = sample_record();
  ASSERT_TRUE(write_record(folder_, record));
  const auto loaded = read_generation(folder_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, record);
  EXPECT_EQ(fingerprint(*loaded), fingerprint(record));
}

TEST_F(RunFolder, VerificationKeepsEveryBit) {
  Verification verification = sample_verification();
  verification.rule = DistanceRule::seed;
  verification.reference_fingerprint = fingerprint(sample_record());
  verification.decode_equivalent_pairs = {{"awq", "gptq"}};
  verification.comparisons = {{.reference = 1,
                               .claimed = "awq",
                               .verifier = "gptq",
                               .prefill = {.mean = 0.1, .max = 0.3, .positions = 2, .bit_equal = 1},
                               .decode = {.mean = HUGE_VAL, .max = HUGE_VAL},
                               .prompt_tokens = 4,
                               .generated_tokens = 3,
                               .ranked_tokens = 2,
                               .top_tokens = 1}};
  ASSERT_TRUE(write_verification(folder_, verification));
  const auto loaded = read_verification(folder_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, verification);
  EXPECT_EQ(fingerprint(*loaded), fingerprint(verification));
  EXPECT_EQ(read_record(folder_)->rule(), DistanceRule::seed);
}

TEST_F(RunFolder, SetupsKeepWhatChoseAndWhatRan) {
  Record record = sample_record();
  const std::string before = fingerprint(record);
  record.setups[0].profile = "vllm-0.12";
  record.setups[0].kernel = "split_k(2)";
  record.setups[0].prefill_tokens = 2048;
  record.setups[0].ran = {{"isa", "avx2"}, {"device", "a100"}, {"sm_count", "108"}};
  record.setups[1].profile = "";  // not recorded
  record.setups[1].prefill_tokens = 0;
  ASSERT_TRUE(write_record(folder_, record));
  const auto loaded = read_generation(folder_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, record);
  EXPECT_EQ(fingerprint(*loaded), before);  // instruction set and all: not what was said
}

TEST_F(RunFolder, AVerificationMayRunASetupUnderSeveralDevices) {
  Verification verification = sample_verification();
  verification.setups = {verification.setups[0], verification.setups[0]};
  verification.setups[1].device = "exact";
  verification.reexecutions.clear();
  for (const char* verifier : {"awq@ieee", "awq@exact"}) {
    verification.comparisons.push_back(
        {.reference = 0,
         .claimed = "awq",
         .verifier = verifier,
         .prefill = {.mean = 1, .max = 1, .positions = 2, .bit_equal = 1, .first_difference = 3},
         .decode = {}});
  }
  ASSERT_TRUE(write_verification(folder_, verification));
  const auto loaded = read_verification(folder_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, verification);
  EXPECT_THAT(text("manifest.json"), HasSubstr("\"is_diagonal\": true"));
  EXPECT_EQ(setup_name(loaded->setups, "awq@exact"), "awq");
  EXPECT_EQ(find_verifier(loaded->setups, "awq"), nullptr);

  verification.setups[1].device = "ieee";
  EXPECT_THAT(write_verification(folder_, verification).error().message(),
              HasSubstr("setups.awq@ieee: expected each setup name once"));
  verification = *loaded;
  verification.comparisons[0].prefill.bit_equal = 2;
  EXPECT_THAT(write_verification(folder_, verification).error().message(), HasSubstr("first difference"));
}

TEST_F(RunFolder, WrittenTwiceGivesTheSameFiles) {
  ASSERT_TRUE(write_record(folder_, sample_record()));
  std::vector<std::string> first;
  for (const char* file : {"manifest.json", "sequences.jsonl", "logprobs.safetensors"})
    first.push_back(text(file));
  ASSERT_TRUE(write_record(folder_, *read_generation(folder_)));
  EXPECT_EQ(first, (std::vector<std::string>{text("manifest.json"), text("sequences.jsonl"),
                                             text("logprobs.safetensors")}));
}

TEST_F(RunFolder, AskedForTheOtherKindSaysSo) {
  ASSERT_TRUE(write_record(folder_, sample_record()));
  EXPECT_THAT(read_verification(folder_).error().message(), HasSubstr("expected a verification"));
}

TEST_F(RunFolder, MissingFilesAreNamed) {
  for (const char* file : {"manifest.json", "sequences.jsonl", "logprobs.safetensors"}) {
    ASSERT_TRUE(write_record(folder_, sample_record()));
    fs::remove(folder_ / file);
    EXPECT_THAT(complaint(), HasSubstr(file));
  }
}

TEST_F(RunFolder, AChangedByteIsSeen) {
  for (const char* file : {"sequences.jsonl", "logprobs.safetensors"}) {
    ASSERT_TRUE(write_record(folder_, sample_record()));
    std::string content = text(file);
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
    replace(file, content);
    EXPECT_THAT(complaint(), HasSubstr(std::string(file) + ": sha256: expected"));
  }
}

// The hashes in the manifest are not a secret: with them made to fit, the content is still checked.
TEST_F(RunFolder, AForgedHashDoesNotHelp) {
  ASSERT_TRUE(write_record(folder_, sample_record()));
  std::string lines = text("sequences.jsonl");
  lines.replace(lines.find("[21,22,23]"), 10, "[21,22,24]");
  replace("sequences.jsonl", lines);
  edit_manifest([&](Json& manifest) { manifest["hashes"]["sequences.jsonl"] = sha256_hex(lines); });
  EXPECT_THAT(complaint(), HasSubstr("expected the score of the position's own token 24, found none"));
}

TEST_F(RunFolder, ManifestIsReadStrictly) {
  const auto refused = [&](const std::function<void(Json&)>& edit) {
    EXPECT_TRUE(write_record(folder_, sample_record()));
    edit_manifest(edit);
    return complaint();
  };
  EXPECT_THAT(refused([](Json& m) { m["schema_version"] = 1; }),
              HasSubstr("manifest.json: schema_version: expected 2, found 1"));
  EXPECT_THAT(refused([](Json& m) { m["schema"] = "other"; }),
              HasSubstr("schema: expected assay run, found other"));
  EXPECT_THAT(refused([](Json& m) { m["kind"] = "guess"; }),
              HasSubstr("kind: expected generation or verification"));
  EXPECT_THAT(refused([](Json& m) { m["setupz"] = 1; }), HasSubstr("did you mean setups?"));
  EXPECT_THAT(refused([](Json& m) { m.erase("timestamp"); }),
              HasSubstr("timestamp: expected a string, found nothing"));
  EXPECT_THAT(refused([](Json& m) { m["settings"]["top_k"] = -1; }), HasSubstr("top_k"));
  EXPECT_THAT(refused([](Json& m) { m["setups"].erase("gptq"); }),
              HasSubstr("gptq/ref_0: expected a known setup"));
  EXPECT_THAT(refused([](Json& m) { m["setups"]["awq"]["profil"] = "vllm-0.11"; }),
              HasSubstr("setups.awq: profil: expected a known key"));
  EXPECT_THAT(refused([](Json& m) { m["setups"]["awq"]["prefill_tokens"] = -1; }),
              HasSubstr("prefill_tokens"));
  EXPECT_THAT(refused([](Json& m) { m["setups"]["awq"]["ran"] = "ieee"; }),
              HasSubstr("ran: expected an object"));
  EXPECT_THAT(refused([](Json& m) { m["setups"]["awq"]["name"] = "other"; }),
              HasSubstr("setups.awq: expected other as its key"));
  EXPECT_THAT(refused([](Json& m) { m["fingerprint"] = "00"; }), HasSubstr("fingerprint: expected 00"));
  EXPECT_THAT(refused([](Json& m) { m["noise_floors"]["awq"]["decode"] = -1; }),
              HasSubstr("noise_floors.awq"));
}

TEST_F(RunFolder, AManifestCutInHalfIsNotJson) {
  ASSERT_TRUE(write_record(folder_, sample_record()));
  const std::string manifest = text("manifest.json");
  replace("manifest.json", manifest.substr(0, manifest.size() / 2));
  EXPECT_THAT(complaint(), HasSubstr("manifest.json: expected JSON"));
}

TEST_F(RunFolder, WritingRefusesWhatReadingWould) {
  const auto refused = [&](const std::function<void(Record&)>& edit) {
    Record record = sample_record();
    edit(record);
    const auto written = write_record(folder_, record);
    EXPECT_FALSE(fs::exists(folder_ / "manifest.json"));
    return written ? "no complaint" : written.error().message();
  };
  EXPECT_THAT(refused([](Record& r) { r.setups[1].name = "awq"; }), HasSubstr("two setups of one name"));
  EXPECT_THAT(refused([](Record& r) { r.generations[1].reference = 0; }), HasSubstr("the reference twice"));
  EXPECT_THAT(refused([](Record& r) { r.generations.resize(2); }), HasSubstr("gptq: expected generations"));
  EXPECT_THAT(
      refused([](Record& r) { r.generations[0].prefill[0].scores[0].logprob = 0.5F; }),
      HasSubstr("awq/ref_0.prefill, position 2, id 7: expected a finite log-probability <= 0, found 0.5"));
  EXPECT_THAT(refused([](Record& r) { r.generations[0].decode[0].scores[1].logprob = NAN; }),
              HasSubstr("found nan"));
  EXPECT_THAT(refused([](Record& r) { r.generations[0].decode[1].scores[1].logprob = -INFINITY; }),
              HasSubstr("found -inf"));
  EXPECT_THAT(refused([](Record& r) {
                std::swap(r.generations[0].prefill[0].scores[0], r.generations[0].prefill[0].scores[1]);
              }),
              HasSubstr("descending order"));
  EXPECT_THAT(refused([](Record& r) { r.generations[0].prefill[0].scores[1].id = 7; }),
              HasSubstr("the id twice"));
  EXPECT_THAT(refused([](Record& r) { r.generations[0].prefill[1].position = 4; }),
              HasSubstr("positions from 1 to 3"));
  EXPECT_THAT(refused([](Record& r) { r.generations[0].decode[1].position = 5; }), HasSubstr("ascending"));
  EXPECT_THAT(refused([](Record& r) { r.generations[0].generated_ids[1] = -2; }), HasSubstr("not negative"));
  EXPECT_THAT(refused([](Record& r) { r.noise_floors[0].prefill = NAN; }), HasSubstr("noise_floors.awq"));
}

TEST(Fingerprint, DependsOnEveryPartOfWhatWasSaid) {
  const std::string original = fingerprint(sample_record());
  // Of the canonical bytes that fingerprint.cc describes, packed and hashed by a Python script of its own.
  EXPECT_EQ(original, "2ebb261048d7ac63d776ab13eff9e3abc29f6a82391667a9cc22c8e4de8d0f7a");
  const auto changed = [&](const std::function<void(Generation&)>& edit) {
    Record record = sample_record();
    edit(record.generations[2]);
    return fingerprint(record) != original;
  };
  EXPECT_TRUE(changed([](Generation& g) { g.setup = "awq"; }));
  EXPECT_TRUE(changed([](Generation& g) { g.reference = 7; }));
  EXPECT_TRUE(changed([](Generation& g) { g.prompt_ids.push_back(1); }));
  EXPECT_TRUE(changed([](Generation& g) { g.generated_ids[0] = 1; }));
  EXPECT_TRUE(changed([](Generation& g) { g.prefill[0].position = 1; }));
  EXPECT_TRUE(changed([](Generation& g) { g.prefill[1].scores[0].logprob = 0.0F; }));  // from -0
  EXPECT_TRUE(changed([](Generation& g) { g.decode[0].scores[0].rank = 9; }));
  EXPECT_TRUE(changed([](Generation& g) { g.decode[0].scores[0].id = 9; }));
  Record record = sample_record();
  record.timestamp = "later";
  record.environment.clear();
  EXPECT_EQ(fingerprint(record), original);
}

}  // namespace
}  // namespace assay
