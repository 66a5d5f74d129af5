// Every attack is caught, or out of reach with the reason in the report: by the exact tier on the claimed device,
// and by the noisy tier with a calibration on another. Honest records are refuted by neither.
#include <gmock/gmock.h>

#include "attacks/attack.h"
#include "attacks/record_maker.h"
#include "attacks/trial_maker.h"
#include "attacks/verifier.h"
#include "report/json.h"
#include "report/text.h"
#include "verify/analysis.h"
#include "verify/calibration_file.h"

namespace assay::attacks {
namespace {

using testing::Contains;
using testing::HasSubstr;

const WorkshopPlan kPlan = {.seed = 21, .text = "/usr/share/common-licenses/GPL-3"};

// What each tier says; out of reach where it is not refuted, with a part of the reason or weakness that is said.
struct Reach {
  const char* attack;
  bool caught_exactly;
  const char* why_not_exactly;
  bool caught_in_noise;
  const char* why_not_in_noise;
};

constexpr const char* kDecimals = "decimals, fewer than FP32 gives";
constexpr const char* kOfTwoPrompts = "e-value";  // one or two strange prompts of four are not 1 / alpha
constexpr const char* kSampled = "tokens count in the exact tier only";
constexpr const char* kSameWeights =
    "not with 64 prompts";  // the power against the kernel or device that ran

const Reach kReaches[] = {
    {"attached", true, "", true, ""},
    {"speculative", true, "", false, kOfTwoPrompts},
    {"tuned temperature", true, "", true, ""},
    {"substitution 1/2", true, "", false, kOfTwoPrompts},
    {"substitution 1/4", true, "", false, kOfTwoPrompts},
    {"kernel substitution 1/4", true, "", false, kSameWeights},
    {"noise-floor shopping, weights", true, "", true, ""},
    {"noise-floor shopping, kernel", true, "", true, ""},
    {"rounded to 2 decimals", true, "", true, ""},
    {"truncated to 3 decimals", false, kDecimals, false, kDecimals},
    {"mass outside the top k", true, "", true, ""},
    {"wrong seed", true, "", false, kSampled},
    {"attached, drawn", true, "", false, kSampled},
    {"wrong device", true, "", false, kSameWeights},
    {"half replaced", true, "", true, ""},
    {"half replaced, kernel", true, "", false, kSameWeights},
    {"replayed", true, "", true, ""},
    {"edited manifest, weights", true, "", true, ""},
    {"edited manifest, kernel", true, "", false, kSameWeights},
};

Workshop& workshop() {
  static EngineShelf& engines = *new EngineShelf(2);
  static Workshop made = *Workshop::open(engines, kPlan);
  return made;
}

const Calibration& calibration() {
  static const Calibration read = *read_calibration(ASSAY_SOURCE_DIR "/tests/attacks/calibration.json");
  return read;
}

VerificationAnalysis analysis_of(const Verification& verification) {
  DecisionOptions options;
  options.calibration = calibration();
  return *analyze_verification(verification, "trial", options);
}

VerificationAnalysis exact(const Record& record) {
  const assay::Setup& claimed = record.setups.front();
  std::vector<assay::Setup> setups = {tiny_setup(claimed.quantization, claimed.device)};
  for (const char* rival : {"awq", "gptq_marlin"}) {
    if (claimed.quantization != rival) setups.push_back(tiny_setup(rival, "a100"));
  }
  return analysis_of(*verify(workshop(), record, setups, Replay::decode));
}

VerificationAnalysis noisy(const Record& record) {
  return analysis_of(*verify(workshop(), record, every_setup_on("h100"), Replay::prefill));
}

void expect_reach(const VerificationAnalysis& analysis, bool caught, const char* why_not,
                  const std::string& name) {
  EXPECT_EQ(analysis.verdict.outcome == Outcome::refuted, caught) << name << "\n" << text_report(analysis);
  if (!caught) {
    EXPECT_THAT(text_report(analysis), HasSubstr(why_not)) << name;
  }
}

TEST(AttackVerdict, EachIsCaughtOrOutOfReachWithTheReason) {
  for (const Reach& reach : kReaches) {
    const auto attack = std::find_if(attacks().begin(), attacks().end(),
                                     [&](const Attack& a) { return a.name == std::string(reach.attack); });
    ASSERT_NE(attack, attacks().end()) << reach.attack;
    const auto record = attack->make(workshop());
    ASSERT_TRUE(record) << record.error().message();
    expect_reach(exact(*record), reach.caught_exactly, reach.why_not_exactly,
                 reach.attack + std::string(", exact"));
    expect_reach(noisy(*record), reach.caught_in_noise, reach.why_not_in_noise,
                 reach.attack + std::string(", noisy"));
  }
}

TEST(AttackVerdict, NoAttackIsForgotten) {
  for (const Attack& attack : attacks()) {
    if (!attack.dishonest) continue;
    EXPECT_TRUE(std::any_of(std::begin(kReaches), std::end(kReaches), [&](const Reach& reach) {
      return reach.attack == std::string(attack.name);
    })) << attack.name;
  }
}

TEST(AttackVerdict, HonestRecordsAreNotRefuted) {
  for (const assay::Setup& setup : every_setup_on("a100")) {
    const auto record = honest_record(workshop(), setup);
    ASSERT_TRUE(record) << record.error().message();
    EXPECT_NE(noisy(*record).verdict.outcome, Outcome::refuted) << setup.name;
    const VerificationAnalysis analysis = exact(*record);
    EXPECT_EQ(analysis.verdict.outcome,
              setup.quantization == "gptq" ? Outcome::inconclusive : Outcome::consistent)
        << setup.name << "\n"
        << text_report(analysis);
  }
}

}  // namespace
}  // namespace assay::attacks
