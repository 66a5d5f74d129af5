#include "attacks/our_rule.h"

#include "verify/analysis.h"
#include "verify/calibration_file.h"

namespace assay::attacks {
namespace {

Decision decide(const Verification& verification, const DecisionOptions& options) {
  const auto analysis = analyze_verification(verification, "trial", options);
  if (!analysis) throw Fault(analysis.error().message());
  const ClaimEvidence& evidence = analysis->evidence.front();
  const CandidateEvidence* own = find_candidate(evidence, evidence.own);
  return {analysis->verdict.outcome, own == nullptr ? 0 : own->log_e};
}

const DecisionOptions& calibrated() {
  static const DecisionOptions options = [] {
    const std::string file = ASSAY_SOURCE_DIR "/tests/attacks/calibration.json";
    auto calibration = read_calibration(file);
    require(calibration.ok(), "tests/attacks/calibration.json does not read");
    return DecisionOptions{.calibration = *std::move(calibration), .calibration_file = file};
  }();
  return options;
}

}  // namespace

// Of the calibration, the exact tier takes how often bits agree by chance.
Decision our_exact_rule(const Trial& trial, std::span<const Trial>) {
  return decide(trial.decode, calibrated());
}

Decision our_noisy_rule(const Trial& trial, std::span<const Trial>) {
  return decide(trial.prefill, calibrated());
}

}  // namespace assay::attacks
