// The verdict and its evidence in every printer: outcomes first, then what they rest on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/infinite_json.h"
#include "report/json.h"
#include "report/tables.h"
#include "report/text.h"
#include "report/verdict_sentence.h"
#include "verify/test_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr Index kAll = kPhasePositions;

VerificationAnalysis analysis_of(const Verification& verification, double alpha = 1e-3) {
  auto analysis = analyze_verification(verification, "v", {.alpha = alpha, .calibration = {}});
  EXPECT_TRUE(analysis) << analysis.error().message();
  return *analysis;
}

// Claim x alone.
Verification one_claim(const EqualPositions& equal) {
  Verification verification = under_both_devices(equal);
  verification.claimed_setups.pop_back();
  std::erase_if(verification.claims, [](const auto& claim) { return claim.setup == "y"; });
  std::erase_if(verification.reexecutions, [](const auto& run) { return run.claimed == "y"; });
  compare_again(verification);
  return verification;
}

TEST(Headline, IsTheSentenceOfASingleClaim) {
  const auto headline = [](const EqualPositions& equal) {
    return verdict_headline(analysis_of(one_claim(equal), 0.01));  // few positions, so few coincidences
  };
  EXPECT_EQ(headline({{kAll, 0, 0, 0}, {}}),
            "Consistent: the record is what x on a100 gives. No other candidate is possible.");
  EXPECT_EQ(headline({{kAll, 0, kAll, 0}, {}}),
            "Consistent: the record is what x on a100 gives. Not excluded: x on h100.");
  EXPECT_EQ(headline({{0, 0, kAll, 0}, {}}),
            "Refuted: the record was not produced by x on a100. Still possible: x on h100.");
  EXPECT_EQ(
      headline({{0, 0, 0, 0}, {}}),
      "Refuted: the record was not produced by x on a100. Of the candidates that were examined, none is "
      "possible.");
  EXPECT_EQ(headline({{kAll, kAll, 0, 0}, {}}),
            "Inconclusive: whether x on a100 produced the record is not decided. Possible: x on a100, y on "
            "a100.");
}

TEST(Headline, NamesWhatWasNotExamined) {
  Verification verification = one_claim({{0, 0, 0, 0}, {}});
  for (assay::Setup& setup : verification.setups) {
    if (setup.device == "h100") setup.ran = {{"determinism", "not_deterministic"}};
  }
  EXPECT_EQ(
      verdict_headline(analysis_of(verification)),
      "Refuted: the record was not produced by x on a100. Of the candidates that were examined, none is "
      "possible. Not examined: x on h100, y on h100.");
  for (assay::Setup& setup : verification.setups) setup.ran = {{"determinism", "not_deterministic"}};
  EXPECT_EQ(
      verdict_headline(analysis_of(verification)),
      "Inconclusive: whether x on a100 produced the record is not decided. Not examined: x on a100, y on "
      "a100, x on h100, y on h100.");
}

TEST(Headline, CountsTheClaimsThatItMeans) {
  const auto headline = [](const EqualPositions& equal) {
    return verdict_headline(analysis_of(under_both_devices(equal)));
  };
  EXPECT_EQ(headline(kHonest), "Consistent: the record is what its 2 claims say (x on a100, y on a100).");
  EXPECT_EQ(headline({{kAll, 0, 0, 0}, {kAll, 0, 0, 0}}),
            "Refuted: 1 of 2 claims does not hold (y on a100).");
  EXPECT_EQ(headline({{0, 0, 0, 0}, {0, 0, 0, 0}}),
            "Refuted: 2 of 2 claims do not hold (x on a100, y on a100).");
  EXPECT_EQ(headline({{kAll, 0, 0, 0}, {kAll, kAll, 0, 0}}),
            "Inconclusive: 1 of 2 claims is not decided (y on a100).");
}

TEST(TextReport, BeginsWithTheSentenceAndShowsWhatItRestsOn) {
  Verification verification = under_both_devices({{kAll, kAll, 0, 0}, {0, kAll, 0, 0}});
  Reexecution& changed = replay_of(verification, "x", "x@a100", 0);
  change_a_bit(changed.decode[1]);
  compare_again(verification);
  const VerificationAnalysis analysis = analysis_of(verification);
  const std::string text = text_report(analysis);
  EXPECT_THAT(text, StartsWith(verdict_headline(analysis) + "\n"));
  EXPECT_THAT(text,
              HasSubstr("\nRefuted: the record was not produced by x on a100. Still possible: y on a100.\n"
                        "  Why: its replay gives other bits\n  2 prompts, 32 positions\n"));
  EXPECT_THAT(text, HasSubstr("    x on a100                    exact    not   infinite  excluded after 10 "
                              "positions\n"
                              "    y on a100                    exact    all     10^0.0  possible\n"
                              "    x on h100                    exact    not   infinite  excluded after 1 "
                              "position\n"));
  EXPECT_THAT(text, HasSubstr("    First difference from x on a100: ref_0, decode position 10, token 13: "));
  EXPECT_THAT(text, HasSubstr(" replayed (1 ULPs)\n"));
  EXPECT_THAT(text, HasSubstr("  Tokens: 16 of 16 are what x on a100 would choose\n"));
  EXPECT_THAT(text, HasSubstr("  Weak: How often other setups agree by chance ("));
  EXPECT_THAT(text, HasSubstr("\nOverall: refuted\n"));
}

TEST(TextReport, SaysOtherRanksAndOneClass) {
  Verification verification = under_both_devices({{kAll, kAll, 0, 0}, {0, kAll, 0, 0}});
  verification.claims[0].prefill[2].scores[3].rank = 9;
  const std::string text = text_report(analysis_of(verification));
  EXPECT_THAT(text, HasSubstr("ref_0, prefill position 3, token 13: rank 9 recorded, 4 replayed\n"));
  EXPECT_THAT(text, HasSubstr("  One class, bits equal throughout: x on a100, y on a100\n"));
}

TEST(JsonReport, HasTheEvidence) {
  Verification verification = under_both_devices({{kAll, 0, 0, 0}, {0, kAll, 0, 0}});
  change_a_bit(replay_of(verification, "x", "x@a100", 1).prefill[0]);
  compare_again(verification);
  const VerificationAnalysis analysis = analysis_of(verification);
  const Json verdict = verdict_json(analysis);
  EXPECT_EQ(json_report(analysis).at("verdict"), verdict);
  EXPECT_EQ(verdict.at("headline"), verdict_headline(analysis));
  EXPECT_EQ(verdict.at("alpha"), 1e-3);
  EXPECT_EQ(verdict.at("delta"), 1);
  const Json& claim = verdict.at("claims").at(0);
  EXPECT_EQ(claim.at("outcome"), "refuted");
  EXPECT_EQ(claim.at("possible"), Json::array());
  EXPECT_EQ(claim.at("positions"), 32);
  const Json& own = claim.at("candidates").at(0);
  EXPECT_EQ(own.at("candidate"), "x on a100");
  EXPECT_EQ(own.at("tier"), "exact");
  EXPECT_EQ(own.at("verifier"), "x@a100");
  EXPECT_TRUE(own.at("excluded"));
  EXPECT_EQ(own.at("decided_after"), 17);
  EXPECT_EQ(own.at("first_difference").at("ref_idx"), 1);
  EXPECT_EQ(own.at("first_difference").at("phase"), "prefill");
  EXPECT_EQ(own.at("first_difference").at("ulps"), 1);
  EXPECT_EQ(own.at("tokens").at("chosen"), 16);
  EXPECT_FALSE(claim.at("coincidence").at("calibrated"));
  EXPECT_EQ(claim.at("weaknesses"), Json(analysis.evidence[0].weaknesses));
  EXPECT_EQ(verdict.at("claims").at(1).at("possible"), Json::array({"y on a100"}));
  EXPECT_TRUE(parse_json(dump_json(verdict), "own output"));
}

TEST(MarkdownReport, HasEachClaimsSentence) {
  const VerificationAnalysis analysis = analysis_of(under_both_devices(kHonest));
  const std::string markdown = markdown_report(analysis);
  EXPECT_THAT(markdown, HasSubstr("\n" + verdict_headline(analysis) + "\n\nVerdict: **consistent** (alpha "));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_THAT(markdown,
                HasSubstr("- " + verdict_sentence(analysis.verdict.claims[i], analysis.evidence[i])));
  }
}

TEST(Intervals, HaveTheSeedsLabelsAtBothEnds) {
  EXPECT_EQ(label_interval({}), "");
  EXPECT_EQ(label_interval(Interval{4, 5}), "MARGINALLY DETECTABLE");
  EXPECT_EQ(label_interval(Interval{4, 50}), "MARGINALLY DETECTABLE to CLEARLY DETECTABLE");
  EXPECT_EQ(interval_text({}), "");
  EXPECT_EQ(interval_text(Interval{0.019, HUGE_VAL}), "[1.90e-02, inf]");
  EXPECT_EQ(e_value(HUGE_VAL), "infinite");
  EXPECT_EQ(e_value(std::log(1000)), "10^3.0");
  EXPECT_EQ(e_value(-1), "10^0.0");
}

}  // namespace
}  // namespace assay
