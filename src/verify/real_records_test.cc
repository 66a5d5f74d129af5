// The seed's own files, where they lie beside the project: their tables are recomputed from their records.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "number/compare.h"
#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "verify/analysis.h"
#include "verify/compare.h"

namespace assay {
namespace {

constexpr double kLimit = 1e-9;  // relative, as the issue asks
constexpr const char* kA100 = "INT4_A100_generation.json";
constexpr const char* kH100 = "INT4_H100_generation.json";
constexpr const char* kVerification = "INT4_A100_generation_H100verification.json";

class RealRecords : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(data_)) GTEST_SKIP() << "no " << data_;
  }

  std::filesystem::path data_ =
      std::filesystem::path(ASSAY_SOURCE_DIR).parent_path() / "shared/data/int4_a100_h100";
};

void expect_close(double found, const Json& object, const std::string& key) {
  const auto expected = distance_from_json(object, "file", key);
  ASSERT_TRUE(expected) << expected.error().message();
  EXPECT_TRUE(within_relative(found, *expected, kLimit)) << key << ": " << found << " and " << *expected;
}

void expect_close(const Matrix& found, const Json& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].size(), expected[i].size());
    for (std::size_t j = 0; j < found[i].size(); ++j) {
      expect_close(found[i][j], Json{{"cell", expected[i][j]}}, "cell");
    }
  }
}

void expect_close(const std::vector<Matrix>& found, const Json& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t r = 0; r < found.size(); ++r) expect_close(found[r], expected[r]);
}

void expect_same_tables(const SanityCheck& found, const Json& expected) {
  expect_close(found.matrix, expected.at("matrix"));
  expect_close(found.per_reference_matrices, expected.at("per_reference_matrices"));
  expect_close(found.off_diagonal_mean, expected, "off_diagonal_mean");
  EXPECT_EQ(Json(found.equivalent_pairs), expected.at("equivalent_pairs"));
  EXPECT_EQ(Json(found.kernel_classes), expected.at("kernel_classes"));
}

void expect_same_tables(const PhaseAnalysis& found, const Json& expected) {
  expect_close(found.matrix, expected.at("matrix"));
  expect_close(found.per_reference_matrices, expected.at("per_reference_matrices"));
  expect_close(found.baseline_mean, expected, "baseline_mean");
  expect_close(found.signal_all_mean, expected, "signal_all_mean");
  expect_close(found.signal_meaningful_mean, expected, "signal_meaningful_mean");
  expect_close(found.snr_all, expected, "snr_all");
  expect_close(found.snr_meaningful, expected, "snr_meaningful");
  EXPECT_EQ(Json(found.excluded_pairs), expected.at("excluded_pairs"));
  EXPECT_EQ(Json(found.n_excluded_cells), expected.at("n_excluded_cells"));
  EXPECT_EQ(Json(found.n_meaningful_pairs), expected.at("n_meaningful_pairs"));
  ASSERT_EQ(found.pairwise_snr.size(), expected.at("pairwise_snr").size());
  for (const PairSnr& pair : found.pairwise_snr) {
    const Json& entry = expected.at("pairwise_snr").at(pair.first + "_vs_" + pair.second);
    expect_close(pair.signal, entry, "signal");
    expect_close(pair.noise_floor, entry, "noise_floor");
    expect_close(pair.snr, entry, "snr");
  }
}

TEST_F(RealRecords, GenerationFilesGiveTheirSanityChecks) {
  for (const char* name : {kA100, kH100}) {
    const auto loaded = read_record(data_ / name);
    ASSERT_TRUE(loaded) << loaded.error().message();
    const auto analysis = analyze_record(std::get<Record>(loaded->content), name, loaded->rule());
    ASSERT_TRUE(analysis) << analysis.error().message();
    const Json file = *read_infinite_json(data_ / name);
    expect_same_tables(analysis->prefill, file.at("prefill_sanity_check"));
    expect_same_tables(analysis->decode, file.at("decode_sanity_check"));
  }
}

TEST_F(RealRecords, VerificationFileGivesItsAnalysis) {
  const auto verification = read_verification(data_ / kVerification);
  ASSERT_TRUE(verification) << verification.error().message();
  const auto analysis = analyze_verification(*verification, kVerification);
  ASSERT_TRUE(analysis) << analysis.error().message();
  const Json file = *read_infinite_json(data_ / kVerification);
  expect_same_tables(analysis->prefill, file.at("prefill_analysis"));
  expect_same_tables(analysis->decode, file.at("decode_analysis"));
  const Json& validation = file.at("metadata").at("environment_validation");
  EXPECT_EQ(Json(analysis->environment.valid()), validation.at("valid"));
  ASSERT_EQ(analysis->environment.mismatches.size(), 1U);
  const auto& mismatch = analysis->environment.mismatches[0];
  EXPECT_EQ(Json::array({mismatch.key, mismatch.reference, mismatch.verifier}),
            validation.at("mismatches")[0]);
}

// The A100's text was fed to an H100 in the verification file; where the H100 wrote a record of its own, the
// prompt's log-probabilities must be the same numbers (awq_marlin's differ from run to run).
TEST_F(RealRecords, TwoGenerationFilesGiveTheVerificationsPrefillDistances) {
  const auto a100 = read_generation(data_ / kA100);
  const auto h100 = read_generation(data_ / kH100);
  const auto verification = read_verification(data_ / kVerification);
  ASSERT_TRUE(a100 && h100 && verification);
  const auto compared = compare_records(*a100, kA100, *h100, kH100, DistanceRule::seed);
  ASSERT_TRUE(compared) << compared.error().message();
  Index checked = 0;
  for (const Comparison& expected : verification->comparisons) {
    if (expected.claimed != expected.verifier || expected.claimed == "awq_marlin") continue;
    for (const Comparison& found : compared->comparisons) {
      if (found.reference != expected.reference || found.claimed != expected.claimed ||
          found.verifier != expected.verifier) {
        continue;
      }
      EXPECT_TRUE(within_relative(found.prefill.mean, expected.prefill.mean, kLimit)) << found.claimed;
      EXPECT_TRUE(within_relative(found.prefill.max, expected.prefill.max, kLimit)) << found.claimed;
      ++checked;
    }
  }
  EXPECT_EQ(checked, 8);
  const Comparison& first = compared->comparisons.front();  // awq against awq, ref_0
  EXPECT_NEAR(first.prefill.mean, 4.4061e-02, 0.5e-6);      // five digits
  EXPECT_TRUE(analyze_verification(*compared, "both"));
}

}  // namespace
}  // namespace assay
