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
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

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

TEST_F(RunFolder, ServersAndTheirRepliesAreKept) {
  Record record = sample_record();
  record.setups[0].server = ServerChoice{.engine = "vllm",
                                         .endpoints = {"http://gpu1:8000", "http://gpu2:8000"},
                                         .served_model = "qwen",
                                         .in_flight = 4};
  record.setups[1].server = ServerChoice{.engine = "sglang", .launch = "serve --port {port}"};
  record.generations[0].served = {{"endpoint", "http://gpu1:8000"}, {"reply_sha256", "00ff"}};
  ASSERT_TRUE(write_record(folder_, record));
  const auto read = read_generation(folder_);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, record);
  EXPECT_EQ(fingerprint(*read), fingerprint(sample_record()));
}

TEST_F(RunFolder, NothingThatBelongsToWhoRunsItIsKeptOfAServer) {
  Record record = sample_record();
  record.setups[0].server = ServerChoice{.engine = "vllm",
                                         .endpoints = {"https://x"},
                                         .timeout_s = 7,
                                         .token_variable = "PROVIDER_KEY",
                                         .ca_file = "my.pem",
                                         .verify_tls = false};
  ASSERT_TRUE(write_record(folder_, record));
  EXPECT_THAT(*read_text(folder_ / "manifest.json"),
              Not(AnyOf(HasSubstr("PROVIDER_KEY"), HasSubstr("my.pem"))));
  EXPECT_EQ(read_generation(folder_)->setups[0].server,
            (ServerChoice{.engine = "vllm", .endpoints = {"https://x"}}));
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
  EXPECT_THAT(refused([](Json& m) { m["schema_version"] = 2; }),
              HasSubstr("manifest.json: schema_version: expected 3, found 2"));
  EXPECT_THAT(refused([](Json& m) { m["schema"] = "other"; }),
              HasSubstr("schema: expected assay run, found other"));
  EXPECT_THAT(refused([](Json& m) { m["kind"] = "guess"; }),
              HasSubstr("kind: expected generation or verification"));
  EXPECT_THAT(refused([](Json& m) { m["setupz"] = 1; }), HasSubstr("did you mean setups?"));
  EXPECT_THAT(refused([](Json& m) { m.erase("timestamp"); }),
              HasSubstr("timestamp: expected a string, found nothing"));
  EXPECT_THAT(refused([](Json& m) { m["settings"]["top_k"] = -1; }), HasSubstr("settings: top_k"));
  const auto sampling = [&](const char* key, const Json& value) {
    return refused([&](Json& m) { m["settings"]["sampling"][key] = value; });
  };
  EXPECT_THAT(sampling("sampler", "dice"), HasSubstr("settings.sampling: sampler: expected greedy, "));
  EXPECT_THAT(sampling("sampler", "greedy"), HasSubstr("temperature: expected 0 (greedy), found 0.7"));
  EXPECT_THAT(sampling("temperature", -0.5), HasSubstr("expected a temperature > 0, found -0.5"));
  EXPECT_THAT(sampling("seed", -1), HasSubstr("settings.sampling: seed: expected an integer in range"));
  EXPECT_THAT(sampling("top_p", 1), HasSubstr("top_p: expected a known key"));
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

TEST_F(RunFolder, ClaimsComeBeforeReexecutions) {
  ASSERT_TRUE(write_verification(folder_, sample_verification()));
  std::string lines = text("sequences.jsonl");
  const std::size_t first = lines.find('\n') + 1;
  lines = lines.substr(first) + lines.substr(0, first);
  replace("sequences.jsonl", lines);
  edit_manifest([&](Json& manifest) { manifest["hashes"]["sequences.jsonl"] = sha256_hex(lines); });
  EXPECT_THAT(complaint(), HasSubstr("sequences.jsonl:12: claimed: expected a string, found nothing"));
}

TEST_F(RunFolder, AVerificationWithoutClaimsIsStillOne) {
  Verification verification = sample_verification();
  verification.claims.clear();
  verification.claimed_settings = {};
  for (Reexecution& run : verification.reexecutions) run.tokens.clear();
  ASSERT_TRUE(write_verification(folder_, verification));
  const auto loaded = read_verification(folder_);
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, verification);
}

TEST_F(RunFolder, ClaimsAndTokenChecksAreChecked) {
  const auto refused = [&](const std::function<void(Verification&)>& edit) {
    Verification verification = sample_verification();
    edit(verification);
    const auto written = write_verification(folder_, verification);
    return written ? "no complaint" : written.error().message();
  };
  const auto token = [&](const std::function<void(TokenCheck&)>& edit) {
    return refused([&](Verification& v) { edit(v.reexecutions[0].tokens[1]); });
  };
  EXPECT_THAT(token([](TokenCheck& t) { t.rank = 0; }),
              HasSubstr("awq under awq/ref_0.tokens, position 5: expected a rank >= 1, found 0"));
  EXPECT_THAT(token([](TokenCheck& t) { t.margin = -1; }), HasSubstr("expected a finite margin >= 0"));
  EXPECT_THAT(token([](TokenCheck& t) { t.margin = NAN; }), HasSubstr("found nan"));
  EXPECT_THAT(token([](TokenCheck& t) { t.margin = INFINITY; }), HasSubstr("found inf"));
  EXPECT_THAT(token([](TokenCheck& t) { t.logprob = 0.5F; }), HasSubstr("log-probability <= 0"));
  EXPECT_THAT(token([](TokenCheck& t) { t.position = 4; }), HasSubstr("ascending positions"));
  EXPECT_THAT(refused([](Verification& v) { v.reexecutions[0].tokens.pop_back(); }),
              HasSubstr("expected positions 4 to 6, each once, found 2 from 4 to 5"));
  EXPECT_THAT(refused([](Verification& v) { v.reexecutions[0].reference = 9; }),
              HasSubstr("awq under awq/ref_9: expected one of the claims"));
  EXPECT_THAT(refused([](Verification& v) { v.claims[0].prompt_ids.clear(); }),
              HasSubstr("awq/ref_0.prompt_ids: expected at least one token"));
  EXPECT_THAT(refused([](Verification& v) { v.claims[1].reference = 0; }), HasSubstr("the reference twice"));
  EXPECT_THAT(refused([](Verification& v) { v.claimed_setups.clear(); }), HasSubstr("a known setup"));
  EXPECT_THAT(refused([](Verification& v) { v.claimed_settings.sampling.temperature = 0; }),
              HasSubstr("claimed_settings.sampling.temperature: expected a temperature > 0, found 0"));
  EXPECT_THAT(refused([](Verification& v) { v.reference_fingerprint = "00"; }),
              HasSubstr("reference_fingerprint: expected c7ad"));
}

TEST_F(RunFolder, ProbabilitiesSumToOneAtMost) {
  const auto complaint_of = [&](float first, float second) {
    Record record = sample_record();
    record.generations[0].decode[0].scores[0].logprob = first;
    record.generations[0].decode[0].scores[1].logprob = second;
    const auto written = write_record(folder_, record);
    return written ? "no complaint" : written.error().message();
  };
  // ln 0.99505 and ln 0.00495, rounded to two decimals.
  EXPECT_EQ(complaint_of(-0.0F, -5.31F), "no complaint");
  EXPECT_THAT(complaint_of(-0.50F, -0.91F),
              HasSubstr("awq/ref_0.decode, position 5: expected probabilities that sum to 1 at most, "
                        "found 1.00905"));
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
  EXPECT_EQ(original, "c7ad8be7888c3dd3b8340e9dd596e4f48cf958efcff6a12d89fb7c153bfebf95");
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
  record.settings.sampling.seed = 2;
  record.environment.clear();
  EXPECT_EQ(fingerprint(record), original);
}

TEST(Fingerprint, OfAVerificationDependsOnTheTokenChecks) {
  const std::string original = fingerprint(sample_verification());
  EXPECT_EQ(original, "2a6a5c80903b61a98a620b13927ce199626b40e7b2380a6617702bd93af367b7");  // as above
  const auto changed = [&](const std::function<void(TokenCheck&)>& edit) {
    Verification verification = sample_verification();
    edit(verification.reexecutions[1].tokens[2]);
    return fingerprint(verification) != original;
  };
  EXPECT_TRUE(changed([](TokenCheck& t) { t.position = 7; }));
  EXPECT_TRUE(changed([](TokenCheck& t) { t.rank = 2; }));
  EXPECT_TRUE(changed([](TokenCheck& t) { t.margin = 0; }));
  EXPECT_TRUE(changed([](TokenCheck& t) { t.logprob = 0; }));  // from -0
}

}  // namespace
}  // namespace assay
