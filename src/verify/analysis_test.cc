#include "verify/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "record/sample.h"
#include "verify/compare.h"

namespace assay {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(SignalToNoise, IsNeverNaN) {
  EXPECT_EQ(signal_to_noise(6, 2), 3);
  EXPECT_EQ(signal_to_noise(0, 0), 0);
  EXPECT_EQ(signal_to_noise(0, 1), 0);
  EXPECT_EQ(signal_to_noise(1, 0), kInfinity);
  EXPECT_EQ(signal_to_noise(kInfinity, 1), kInfinity);
  EXPECT_EQ(signal_to_noise(kInfinity, 0), kInfinity);
  EXPECT_EQ(signal_to_noise(1, kInfinity), 0);
  EXPECT_EQ(signal_to_noise(kInfinity, kInfinity), 0);
  EXPECT_THROW(signal_to_noise(-1, 1), Fault);
  EXPECT_THROW(signal_to_noise(std::nan(""), 1), Fault);
}

TEST(Detectability, HasTheSeedsFourLabels) {
  EXPECT_STREQ(label(detectability(kInfinity)), "TRIVIALLY DETECTABLE");
  EXPECT_STREQ(label(detectability(std::nextafter(100.0, 101.0))), "TRIVIALLY DETECTABLE");
  EXPECT_STREQ(label(detectability(100)), "CLEARLY DETECTABLE");
  EXPECT_STREQ(label(detectability(10)), "MARGINALLY DETECTABLE");
  EXPECT_STREQ(label(detectability(3)), "NOT RELIABLY DETECTABLE");
  EXPECT_STREQ(label(detectability(0)), "NOT RELIABLY DETECTABLE");
}

Setup named(const std::string& name) {
  Setup setup;
  setup.name = name;
  return setup;
}

const std::vector<std::string> kNames = {"a", "b", "c"};

TEST(AnalyzePhase, EquivalentPairsAreExcludedFromTheMeaningfulSignal) {
  const PhaseAnalysis phase =
      analyze_phase(kNames, kNames, {{{1, 2, 30}, {4, 1, 50}, {60, 70, 4}}}, {{"b", "a"}});
  EXPECT_EQ(phase.baseline_mean, 2);
  EXPECT_EQ(phase.signal_all_mean, 36);
  EXPECT_EQ(phase.signal_meaningful_mean, 52.5);
  EXPECT_EQ(phase.snr_all, 18);
  EXPECT_EQ(phase.snr_meaningful, 26.25);
  EXPECT_EQ(phase.n_excluded_cells, 2);
  EXPECT_EQ(phase.n_meaningful_pairs, 4);
  ASSERT_EQ(phase.pairwise_snr.size(), 3U);
  EXPECT_EQ(phase.pairwise_snr[0].signal, 3);       // a-b: (2 + 4) / 2
  EXPECT_EQ(phase.pairwise_snr[0].noise_floor, 1);  // (1 + 1) / 2
  EXPECT_EQ(phase.pairwise_snr[1].snr, 18);         // a-c: 45 over 2.5
}

TEST(AnalyzePhase, AllPairsEquivalentLeaveNoSignal) {
  const PhaseAnalysis phase = analyze_phase({"a", "b"}, {"a", "b"}, {{{0, 0}, {0, 0}}}, {{"a", "b"}});
  EXPECT_EQ(phase.n_meaningful_pairs, 0);
  EXPECT_EQ(phase.snr_meaningful, 0);
  EXPECT_EQ(phase.pairwise_snr[0].snr, 0);
}

TEST(AnalyzePhase, RowsAndColumnsMayDiffer) {
  const PhaseAnalysis phase = analyze_phase({"a"}, {"b", "a"}, {{{8, 2}}, {{4, 4}}}, {});
  EXPECT_EQ(phase.baseline_mean, 3);
  EXPECT_EQ(phase.signal_all_mean, 6);
  EXPECT_TRUE(phase.pairwise_snr.empty());
  EXPECT_THROW(analyze_phase({"a"}, {"b"}, {{{1}}}, {}), Fault);
}

Verification compared() {
  Verification verification = sample_verification();
  verification.comparisons = *compare_all(sample_record(), verification, DistanceRule::every_id);
  return verification;
}

TEST(AnalyzeVerification, NamesAMissingComparison) {
  Verification verification = compared();
  verification.comparisons.erase(verification.comparisons.begin() + 5);
  EXPECT_EQ(analyze_verification(verification, "v").error().message(),
            "v: comparisons: expected awq under gptq for ref_1, found no such comparison");
  verification.comparisons.clear();
  EXPECT_THAT(analyze_verification(verification, "v").error().message(), HasSubstr("no baseline"));
}

TEST(AnalyzeVerification, SharesOfEqualBits) {
  const auto analysis = analyze_verification(compared(), "v");
  ASSERT_TRUE(analysis) << analysis.error().message();
  EXPECT_THAT(analysis->prefill.bit_equal_share, ElementsAre(ElementsAre(1, 0.5), ElementsAre(0.5, 1)));
  Verification uncounted = compared();
  for (Comparison& comparison : uncounted.comparisons) comparison.prefill.positions = 0;
  EXPECT_TRUE(analyze_verification(uncounted, "v")->prefill.bit_equal_share.empty());
}

TEST(Environment, ProfileKernelAndPrefillTokensAreCriticalWhereRecorded) {
  Verification verification = sample_verification();
  verification.setups[0].profile = "vllm-0.12";
  verification.setups[0].kernel = "marlin_b";
  verification.setups[0].prefill_tokens = 512;
  verification.setups[0].ran = {{"isa", "avx2"}};
  EXPECT_THAT(validate_environment(verification).mismatches,
              ElementsAre(EnvironmentDifference{"awq.profile", "vllm-0.11", "vllm-0.12"},
                          EnvironmentDifference{"awq.kernel", "", "marlin_b"},
                          EnvironmentDifference{"awq.prefill_tokens", "8192", "512"}));
  verification.claimed_setups[0].profile = "";
  verification.claimed_setups[0].prefill_tokens = 0;
  EXPECT_TRUE(validate_environment(verification).valid());
}

TEST(Environment, CriticalAndExpectedDifferences) {
  Verification verification = sample_verification();
  EXPECT_TRUE(validate_environment(verification).valid());
  verification.environment = {{"hostname", "elsewhere"}, {"torch_version", "2.9.0"}, {"python_version", "3"}};
  verification.setups[0].dtype = "bfloat16";
  verification.setups[1].device = "ieee";
  const auto validation = validate_environment(verification);
  EXPECT_THAT(validation.mismatches, ElementsAre(EnvironmentDifference{"assay_version", "0.1.0", ""},
                                                 EnvironmentDifference{"torch_version", "", "2.9.0"},
                                                 EnvironmentDifference{"awq.dtype", "float16", "bfloat16"}));
  EXPECT_THAT(validation.expected, ElementsAre(EnvironmentDifference{"hostname", "somewhere", "elsewhere"},
                                               EnvironmentDifference{"gptq.device", "exact", "ieee"}));
  verification.setups[0].weights_sha256 = "";  // not recorded: nothing to compare
  EXPECT_EQ(validate_environment(verification).mismatches.size(), 3U);
  verification.setups[0].weights_sha256 = "0";
  EXPECT_EQ(validate_environment(verification).mismatches.size(), 4U);
}

TEST(AnalyzeRecord, FindsEquivalentPairsAndClasses) {
  Record record = sample_record();
  record.setups.push_back(named("third"));
  for (const Index reference : {0, 1})
    record.generations.push_back(sample_generation("third", reference, 0.0F));
  record.noise_floors.clear();
  const auto analysis = analyze_record(record, "r", DistanceRule::every_id);
  ASSERT_TRUE(analysis) << analysis.error().message();
  EXPECT_THAT(analysis->prefill.equivalent_pairs, ElementsAre(SetupPair("awq", "third")));
  EXPECT_THAT(analysis->prefill.kernel_classes,
              ElementsAre(ElementsAre("awq", "third"), ElementsAre("gptq")));
  // Four of six cells differ, by the mean over two positions of which one moved in two ids by 0.25.
  EXPECT_NEAR(analysis->prefill.off_diagonal_mean, 0.125 * std::sqrt(2.0) * 4 / 6, 1e-15);
  record.noise_floors = {{.setup = "gptq", .prefill = 0.2, .decode = 0}};  // above every distance
  const auto noisy = analyze_record(record, "r", DistanceRule::every_id);
  EXPECT_THAT(noisy->prefill.kernel_classes, ElementsAre(ElementsAre("awq", "gptq", "third")));
  EXPECT_EQ(noisy->decode.kernel_classes.size(), 2U);
  record.generations.pop_back();
  EXPECT_THAT(analyze_record(record, "r", DistanceRule::every_id).error().message(),
              HasSubstr("third/ref_1"));
}

}  // namespace
}  // namespace assay
