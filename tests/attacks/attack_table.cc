// Prints how often each rule refutes each attack, and honest records, as a Markdown table.
//
//   attack_table [RECORDS [REFERENCES [DEVICE [CALIBRATION [FIRST]]]]]
//
// RECORDS of each kind, each with prompts of its own (default 3); REFERENCES, prompts in a record (4); DEVICE,
// which the published rules' verifier has (h100: claims are of a100 but for two kinds); CALIBRATION, honest
// records of each claimed setup that thresholds come from (3), with prompts of another text; FIRST, the seed of
// the first record (1).
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "attacks/attack.h"
#include "attacks/baselines/baselines.h"
#include "attacks/detection_counts.h"
#include "attacks/our_rule.h"
#include "attacks/trial_maker.h"

namespace assay::attacks {
namespace {

constexpr const char* kText = "/usr/share/common-licenses/GPL-3";  // of every Debian system
constexpr std::uint64_t kCalibrationSeed = 1000;

std::vector<Rule> rules() {
  std::vector<Rule> all(baselines().begin(), baselines().end());
  all.push_back({"assay, other device", our_noisy_rule, false});
  all.push_back({"assay, claimed device", our_exact_rule, true});
  return all;
}

class Run {
 public:
  Run(std::vector<Rule> rules, TrialPlan plan)
      : rules_(std::move(rules)), maker_(shelf_, std::move(plan)), counts_(names(rules_)) {}

  Result<void> add_records(const WorkshopPlan& plan) {
    auto workshop = Workshop::open(shelf_, plan);
    if (!workshop) return workshop.error();
    for (const Attack& attack : attacks()) {
      if (auto done = add(*workshop, attack.name, attack.make(*workshop)); !done) return done;
    }
    for (const Setup& setup : controls()) {
      const std::string name = fmt::format("honest {} on {}", setup.name, setup.device);
      if (auto done = add(*workshop, name, honest_record(*workshop, setup)); !done) return done;
    }
    const auto record = honest_record(*workshop, claimed_setup(), drawn(*workshop));
    return add(*workshop, "honest awq on a100, drawn", record);
  }

  std::string markdown() const { return counts_.markdown(); }

 private:
  static std::vector<std::string> names(const std::vector<Rule>& rules) {
    std::vector<std::string> all;
    for (const Rule& rule : rules) all.emplace_back(rule.name);
    return all;
  }

  Result<void> add(Workshop& workshop, const std::string& name, const Result<Record>& record) {
    if (!record) return record.error();
    const auto trial = maker_.try_out(workshop, *record);
    if (!trial) return trial.error();
    const auto honest = maker_.calibration(*record);
    if (!honest) return honest.error();
    std::vector<Decision> decisions;
    for (const Rule& rule : rules_) decisions.push_back(rule.decide(*trial, **honest));
    counts_.add(name, decisions);
    return {};
  }

  EngineShelf shelf_{2};
  std::vector<Rule> rules_;
  TrialMaker maker_;
  DetectionCounts counts_;
};

}  // namespace
}  // namespace assay::attacks

int main(int argc, char** argv) {
  using namespace assay;
  using namespace assay::attacks;
  const auto number = [&](int at, Index otherwise) { return argc > at ? std::atol(argv[at]) : otherwise; };
  const Index records = number(1, 3);
  const std::vector<Rule> all = rules();
  TrialPlan plan;
  plan.calibration.seed = kCalibrationSeed;
  plan.calibration.references = number(2, 4);
  plan.calibration_records = number(4, 3);
  if (argc > 3) plan.device = argv[3];
  plan.decode = std::any_of(all.begin(), all.end(), [](const Rule& rule) { return rule.needs_decode; });
  Run run(all, plan);
  const Index first = number(5, 1);
  for (Index seed = first; seed < first + records; ++seed) {
    const auto done = run.add_records(
        {.seed = static_cast<std::uint64_t>(seed), .references = plan.calibration.references, .text = kText});
    if (!done) {
      fmt::print(stderr, "attack_table: {}\n", done.error().message());
      return 2;
    }
    fmt::print(stderr, "{} of {}\n", seed - first + 1, records);
  }
  fmt::print("{}", run.markdown());
  return 0;
}
