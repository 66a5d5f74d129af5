// The evidence for and against each claim: which candidates are excluded, by how much, and why the rest is
// weak. Two tiers. Exact: a candidate whose arithmetic was replayed owes its bits. Noisy: a calibrated
// e-process of each candidate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "verify/calibration.h"

namespace assay {

struct DecisionOptions {
  double alpha = 1e-3;  // chance of refuting a true claim
  double delta = 1;     // consistent: deviations are below 1 + delta times those of honest runs
  std::optional<Calibration> calibration;
  std::string calibration_file = {};  // for errors
};

enum class Tier : std::uint8_t { none, noisy, exact };

const char* word(Tier tier);

// One number of the record that a replay with its own bits does not give.
struct ExactDifference {
  Index reference = 0;
  Index position = 0;
  bool decode = false;
  TokenId id = 0;
  float record = 0;
  float replay = 0;
  std::int32_t record_rank = 0;  // 0 = not recorded
  std::int32_t replay_rank = 0;
  std::uint64_t ulps = 0;  // 0 = the ranks differ
};

// Generated tokens under one candidate.
struct TokenEvidence {
  Index tokens = 0;
  Index chosen = 0;  // that the candidate chooses itself
  Index ties = 0;    // of the others, those with margin 0
  double largest_margin = 0;
  Index reference = 0;  // where that is
  Index position = 0;
};

struct CandidateEvidence {
  Hypothesis hypothesis = {};
  Tier tier = Tier::none;
  std::string verifier = {};  // the column that speaks for it; "" = none was run
  bool reproduces = false;    // every bit of the claim
  bool excluded = false;
  double log_e = 0;         // ln of the largest e-value against it; infinite where owed bits differ
  Index decided_after = 0;  // positions until it was excluded, prompts in order; 0 = it is not
  std::string reason = {};  // why it is excluded, or why there is no evidence against it
  std::optional<ExactDifference> first_difference = {};
  TokenEvidence tokens = {};
};

// How likely this record would have excluded the claim had `truth` made it.
struct Power {
  Hypothesis truth;
  double probability = 0;
  Index more_positions = 0;  // beyond the record's, for a probability of 0.9; 0 = enough
  bool reachable = true;     // false: 64 prompts are not enough
};

struct ClaimEvidence {
  std::string claimed;
  Hypothesis own = {};  // the claim's own words
  Index prompts = 0;
  Index positions = 0;
  std::vector<CandidateEvidence> candidates = {};
  // Setups and devices with equal bits at every position of this claim; classes of two and more.
  std::vector<std::vector<Hypothesis>> classes = {};
  double log_e_false = 0;     // ln of the largest e-value against "false by at least delta"
  double mean_deviation = 0;  // from the claimed setup, in units of honest runs; 0 = not calibrated
  // Of setups that did not make the record: how often all bits of a position agree all the same.
  Coincidence coincidence = {};
  bool coincidence_calibrated = false;  // else counted in this claim
  std::vector<Power> power = {};
  std::vector<std::string> weaknesses = {};  // whole sentences
};

// Null where the candidate is not there.
const CandidateEvidence* find_candidate(const ClaimEvidence& evidence, const Hypothesis& hypothesis);

// Error (file names the calibration): it is for other models, or made by another version of the arithmetic.
Result<void> check_calibration(const Calibration& calibration, const Verification& verification,
                               const std::string& file);

// For each of `claimed`, in order.
std::vector<ClaimEvidence> gather_evidence(const Verification& verification,
                                           const std::vector<std::string>& claimed,
                                           const DecisionOptions& options);

}  // namespace assay
