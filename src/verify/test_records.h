// Claims and re-executions for the tests of verify that agree bit for bit as far as a test says.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "record/record.h"
#include "verify/analysis.h"
#include "verify/compare.h"

namespace assay {

inline constexpr Index kPhasePositions = 8;  // of one phase of one reference
inline constexpr Index kListed = 4;          // ids of one position

inline Setup test_setup(const std::string& name, const std::string& device) {
  Setup made;
  made.name = name;
  made.device = device;
  made.weights_sha256 = name;
  return made;
}

// Square roots, so that no decimal number comes close to them.
inline PositionScores test_scores(std::size_t seed, Index position) {
  PositionScores made{.position = position, .scores = {}};
  for (Index k = 0; k < kListed; ++k) {
    const auto mixed = static_cast<double>(seed % 1009) / 1009 + static_cast<double>(position + 16 * k);
    made.scores.push_back({static_cast<TokenId>(10 + k), static_cast<float>(-1.5 - std::sqrt(mixed + 1)),
                           static_cast<std::int32_t>(k) + 1});
  }
  return made;
}

// Prompts of kPhasePositions + 1 tokens and kPhasePositions generated ones, all positions recorded.
inline Generation test_claim(const std::string& setup, Index reference) {
  const auto prompt = static_cast<std::size_t>(kPhasePositions) + 1;
  Generation made{.setup = setup,
                  .reference = reference,
                  .prompt_ids = std::vector<TokenId>(prompt, 10),
                  .generated_ids = std::vector<TokenId>(prompt - 1, 10),
                  .prefill = {},
                  .decode = {}};
  const std::size_t seed =
      static_cast<std::size_t>(setup.front()) * 131 + static_cast<std::size_t>(reference) * 17;
  for (Index p = 1; p <= 2 * kPhasePositions; ++p) {
    (p <= kPhasePositions ? made.prefill : made.decode).push_back(test_scores(seed, p));
  }
  return made;
}

// The last log-probability of the position is one FP32 step less likely.
inline void change_a_bit(PositionScores& position) {
  float& logprob = position.scores.back().logprob;
  logprob = std::nextafterf(logprob, -INFINITY);
}

// The first `equal` positions of each phase have the claim's bits; each later one differs in one.
inline Reexecution test_replay(const Generation& claim, const std::string& verifier, Index equal) {
  Reexecution run{.claimed = claim.setup,
                  .verifier = verifier,
                  .reference = claim.reference,
                  .prefill = claim.prefill,
                  .decode = claim.decode};
  for (auto* phase : {&run.prefill, &run.decode}) {
    for (std::size_t i = static_cast<std::size_t>(equal); i < phase->size(); ++i) change_a_bit((*phase)[i]);
  }
  const auto first = static_cast<Index>(claim.prompt_ids.size());
  for (Index p = first; p < first + static_cast<Index>(claim.generated_ids.size()); ++p) {
    run.tokens.push_back({.position = p, .rank = 1, .margin = 0, .logprob = -1.0F});
  }
  return run;
}

// Fills the comparisons from the claims and re-executions that are there.
inline void compare_again(Verification& verification) {
  Record record;
  record.generations = verification.claims;
  record.settings = verification.claimed_settings;
  verification.comparisons = *compare_all(record, verification, DistanceRule::every_id);
}

// Equal positions of each phase: a row for claim x and one for y; columns x@a100, y@a100, x@h100, y@h100.
using EqualPositions = Index[2][4];

// Claims x and y, two references each, recorded under a100; verified under a100 and h100.
inline Verification under_both_devices(const EqualPositions& equal) {
  Verification verification;
  verification.replay = "decode";
  verification.environment = verification.reference_environment = {{"assay_version", "1"}};
  verification.claimed_settings.top_k = kListed;
  verification.claimed_setups = {test_setup("x", "a100"), test_setup("y", "a100")};
  for (const char* device : {"a100", "h100"}) {
    for (const char* name : {"x", "y"}) verification.setups.push_back(test_setup(name, device));
  }
  for (const std::size_t claim : {0, 1}) {
    for (const Index reference : {0, 1}) {
      verification.claims.push_back(test_claim(claim == 0 ? "x" : "y", reference));
      for (std::size_t column = 0; column < 4; ++column) {
        verification.reexecutions.push_back(test_replay(
            verification.claims.back(), verifier_name(verification.setups[column], verification.setups),
            equal[claim][column]));
      }
    }
  }
  compare_again(verification);
  return verification;
}

// Each claim is reproduced by its own setup on a100; others agree with it here and there.
inline constexpr EqualPositions kHonest = {{kPhasePositions, 1, 0, 0}, {0, kPhasePositions, 2, 0}};

inline Reexecution& replay_of(Verification& verification, const std::string& claimed,
                              const std::string& verifier, Index reference) {
  for (Reexecution& run : verification.reexecutions) {
    if (run.claimed == claimed && run.verifier == verifier && run.reference == reference) return run;
  }
  throw Fault("no such re-execution");
}

}  // namespace assay
