#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "record/infinite_json.h"
#include "record/run_folder.h"
#include "record/sample.h"
#include "record/seed_json.h"
#include "report/json.h"
#include "report/tables.h"
#include "report/text.h"
#include "report/text_parts.h"
#include "verify/compare.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::filesystem::path kShared = std::filesystem::path(ASSAY_SOURCE_DIR).parent_path() / "shared";

VerificationAnalysis sample_analysis() {
  Verification verification = sample_verification();
  verification.comparisons = *compare_all(sample_record(), verification, DistanceRule::every_id);
  return *analyze_verification(verification, "v");
}

RecordAnalysis sample_record_analysis() {
  return *analyze_record(sample_record(), "r", DistanceRule::every_id);
}

// From `begin` on, up to the first `end` after it (not included).
std::string section(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find(end, from);
  return from == std::string::npos || to == std::string::npos ? "" : text.substr(from, to - from);
}

TEST(TextReport, RepeatsTheSeedsLog) {
  const auto file = kShared / "data/int4_a100_h100/INT4_A100_generation_H100verification.json";
  const auto log = kShared / "seed/quant_verify_20251130_094250.txt";
  if (!std::filesystem::exists(file) || !std::filesystem::exists(log)) GTEST_SKIP() << "no " << kShared;
  const auto verification = read_verification(file);
  ASSERT_TRUE(verification) << verification.error().message();
  const std::string ours = text_report(*analyze_verification(*verification, file.string()));
  const std::string seeds = *read_text(log);
  // All the tables, to the last line of the comparison of prefill and decode.
  const std::string tables =
      section(seeds, "CROSS-HARDWARE QUANTIZATION DETECTABILITY (PREFILL)", "\n✓ Results saved to");
  ASSERT_GT(tables.size(), 4000U);
  EXPECT_THAT(ours, HasSubstr(tables));
  EXPECT_THAT(ours, HasSubstr(section(seeds, "ENVIRONMENT VALIDATION", "VERIFYING WITH: awq")));
  EXPECT_THAT(ours, HasSubstr(section(seeds, "QUANTIZATION FORMAT DETECTION", "\nLoading reference file")));
}

TEST(TextReport, MatrixWidensForLongNames) {
  EXPECT_EQ(text_matrix({"a"}, {"a", "much_longer_name"}, {{0.5, HUGE_VAL}}),
            "                                 a much_longer_name\n"
            "               a         5.00e-01              inf \n");
}

TEST(TextReport, OwnSectionsFollowTheSeeds) {
  const std::string text = text_report(sample_analysis());
  EXPECT_THAT(text, HasSubstr("    ref_0 (diag):      Prompt: 4, Gen: 3 → verified\n"
                              "      Prefill: 0.00e+00, Decode: 0.00e+00\n"));
  EXPECT_THAT(text,
              HasSubstr("awq under awq                                     4/4          4/4          4/4\n"));
  EXPECT_THAT(text, HasSubstr("✓ Environment validated"));
  EXPECT_THAT(text, HasSubstr("Overall: refuted"));
  EXPECT_THAT(text, Not(HasSubstr("nan")));
}

// The sample's setups, each under both devices; the devices' bits are the same here.
VerificationAnalysis two_device_analysis() {
  Verification verification = sample_verification();
  verification.setups.clear();
  verification.comparisons.clear();
  for (const char* device : {"ieee", "exact"}) {
    for (Setup setup : sample_record().setups) {
      setup.device = device;
      verification.setups.push_back(setup);
    }
  }
  const auto compared = compare_all(sample_record(), sample_verification(), DistanceRule::every_id);
  for (const char* device : {"@ieee", "@exact"}) {
    for (Comparison comparison : compared.value()) {
      comparison.verifier += device;
      verification.comparisons.push_back(comparison);
    }
  }
  return *analyze_verification(verification, "v");
}

TEST(TextReport, ExactReproduction) {
  const std::string text = text_report(sample_analysis());
  EXPECT_THAT(text, HasSubstr("EXACT REPRODUCTION\n"));
  EXPECT_THAT(text,
              HasSubstr("awq under awq                                     4/4          4/4    yes  -\n"));
  EXPECT_THAT(text, HasSubstr("awq under gptq                                    2/4          0/4     no  "
                              "ref_0, prefill position 2\n"));
  EXPECT_THAT(text,
              HasSubstr("  awq: identified exactly: only awq reproduces all 8 positions bit for bit\n"));
  EXPECT_THAT(text, HasSubstr("Prefill: coincidence rate of differing setups: 4 of 8 positions, 50.00 %\n"
                              "Decode:  coincidence rate of differing setups: 0 of 8 positions, 0.00 %\n"));
  VerificationAnalysis open = sample_analysis();
  open.reproduction.claims[0].reproduced_by.clear();
  EXPECT_THAT(text_report(open), HasSubstr("  awq: no setup reproduces it bit for bit\n"));
  open.run.replay = "prefill";
  open.run.setups[1].ran = {{"rows_change_bits", "yes"}};
  EXPECT_THAT(text_report(open),
              HasSubstr("bit for bit (some give their bits only under --replay decode)\n"));
  EXPECT_THAT(text_report(open), HasSubstr("    ran: rows_change_bits=yes\n"));
}

TEST(Reports, TheSeedsDistanceCountsNoExactReproduction) {
  Verification verification = sample_verification();
  verification.rule = DistanceRule::seed;
  verification.comparisons = *compare_all(sample_record(), verification, DistanceRule::seed);
  const VerificationAnalysis analysis = *analyze_verification(verification, "v");
  EXPECT_TRUE(analysis.reproduction.claims.empty());
  const char* line = "not counted under --distance seed, which skips ids outside the verifier's top k\n";
  EXPECT_THAT(text_report(analysis), HasSubstr(std::string("EXACT REPRODUCTION\n")));
  EXPECT_THAT(text_report(analysis), HasSubstr(line));
  const std::string text = text_report(analysis);
  EXPECT_THAT(text.substr(text.find("EXACT REPRODUCTION")), Not(HasSubstr("bit for bit")));
  EXPECT_THAT(markdown_report(analysis), HasSubstr(line));
  EXPECT_THAT(text_report(sample_analysis()), Not(HasSubstr("not counted")));
}

TEST(Reports, SeveralDevicesInTurn) {
  const VerificationAnalysis analysis = two_device_analysis();
  const std::string text = text_report(analysis);
  for (const char* device : {"ieee", "exact"}) {
    const std::string tables =
        section(text, std::string("VERIFIED ON DEVICE: ") + device, "SNR SUMMARY TABLE");
    EXPECT_THAT(tables, HasSubstr("         awq     0.00e+00     1.77e-01 \n")) << device;
  }
  EXPECT_THAT(text, HasSubstr("VERIFYING WITH: gptq@exact"));
  EXPECT_THAT(text, HasSubstr("  awq: reproduced by awq@ieee and awq@exact (they cannot be told apart"));
  const std::string markdown = markdown_report(analysis);
  EXPECT_THAT(markdown, HasSubstr("| awq | gptq@ieee | 2/4 | 0/4 | no | ref_0, prefill position 2 |\n"));
  EXPECT_THAT(markdown, HasSubstr("## Decode on exact\n"));
  const std::string csv = csv_report(analysis);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * 3 * 8);
  EXPECT_THAT(csv, HasSubstr("prefill,all,awq,gptq@exact,"));
  const Json json = json_report(analysis);
  EXPECT_EQ(json.at("prefill_analysis").at("matrix")[0].size(), 4U);
  EXPECT_FALSE(json.at("prefill_analysis").contains("snr_all"));
  EXPECT_EQ(json.at("devices").at("exact").at("prefill_analysis").at("matrix")[0].size(), 2U);
  EXPECT_EQ(json.at("exact_reproduction").at("claims")[0].at("reproduced_by"),
            Json::parse(R"(["awq@ieee", "awq@exact"])"));
  EXPECT_TRUE(json.at("comparisons")[0].at("is_diagonal"));
}

TEST(TextReport, GenerationSections) {
  const std::string text = text_report(sample_record_analysis());
  EXPECT_THAT(text, HasSubstr("  ✓ awq: Prefill: 0.00e+00, Decode: 0.00e+00 (2 runs)\n"
                              "  ⚠ gptq: Prefill: 5.00e-01, Decode: 0.00e+00 (3 runs)\n"));
  EXPECT_THAT(text, HasSubstr("  awq vs gptq:\n    ref_0: ✓ all 3 tokens agree\n"));
  EXPECT_THAT(text, HasSubstr("WITHIN-HARDWARE ANALYSIS (PREFILL)"));
  EXPECT_THAT(text, HasSubstr("Equivalent pairs: [(awq, gptq)]\nKernel classes:\n  1: [awq, gptq]\n"));
  EXPECT_THAT(text, HasSubstr("Equivalent pairs: []\nKernel classes:\n  1: [awq]\n  2: [gptq]\n"));
}

TEST(JsonReport, HasTheSeedsKeysAndParses) {
  const Json json = json_report(sample_analysis());
  EXPECT_EQ(json.at("verdict").at("outcome"), "refuted");
  EXPECT_EQ(json.at("prefill_analysis").at("pairwise_snr").at("awq_vs_gptq").at("label"),
            "TRIVIALLY DETECTABLE");
  EXPECT_EQ(json.at("prefill_analysis").at("bit_equal_share")[0][0], 1.0);
  EXPECT_TRUE(parse_json(dump_json(json), "own output"));
  EXPECT_EQ(verdict_json(sample_analysis()).at("claims").size(), 2U);
  const Json record = json_report(sample_record_analysis());
  EXPECT_EQ(record.at("prefill_sanity_check").at("equivalent_pairs"), Json::parse(R"([["awq", "gptq"]])"));
  EXPECT_EQ(record.at("token_consistency")[0].at("first_difference"), nullptr);
}

TEST(SeedExport, IsReadBack) {
  const VerificationAnalysis analysis = sample_analysis();
  const std::string text = dump_json(seed_export(analysis), InfinityStyle::bare);
  const auto read = from_seed_json(*parse_infinite_json(text, "f"), "f");
  ASSERT_TRUE(read) << read.error().message();
  Verification kept = analysis.run;
  kept.claims.clear();  // no place in this schema, here and below
  kept.claimed_settings = {};
  EXPECT_EQ(std::get<Verification>(*read), kept);
  const auto record = from_seed_json(seed_export(sample_record(), sample_record_analysis()), "f");
  ASSERT_TRUE(record) << record.error().message();
}

TEST(CsvReport, HasOneRowForEachCell) {
  const std::string csv = csv_report(sample_analysis());
  // A header; two phases, each two references and their mean, each four cells.
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * 3 * 4);
  EXPECT_THAT(csv, HasSubstr("phase,reference,claimed,verifier,distance,positions,bit_equal\n"
                             "prefill,ref_0,awq,awq,0,2,2\n"));
  EXPECT_THAT(csv, HasSubstr("decode,all,awq,gptq,0.25,4,0\n"));
  RecordAnalysis odd = sample_record_analysis();
  odd.setups[0].name = "a,\"b\"";
  EXPECT_THAT(csv_report(odd), HasSubstr("prefill,ref_0,\"a,\"\"b\"\"\",gptq,"));
}

TEST(MarkdownReport, HasVerdictAndTables) {
  const std::string markdown = markdown_report(sample_analysis());
  EXPECT_THAT(markdown, HasSubstr("Verdict: **refuted** (alpha 0.001, delta 1)"));
  EXPECT_THAT(markdown,
              HasSubstr("| claimed \\ verified | awq | gptq |\n| --- | ---: | ---: |\n"
                        "| awq | 0.00e+00 [0.00e+00, 0.00e+00] | 1.77e-01 [1.77e-01, 1.77e-01] |\n"));
  EXPECT_THAT(markdown_report(sample_record_analysis()), HasSubstr("- awq, gptq\n"));
}

}  // namespace
}  // namespace assay
