#include "verify/exact_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "number/compare.h"
#include "verify/precision.h"

namespace assay {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The first number of the position that differs, in bits or in rank.
std::optional<ExactDifference> difference_at(const Generation& claim, const PositionScores& record,
                                             const PositionScores& replay, bool decode) {
  for (const TokenScore& score : record.scores) {
    const TokenScore* other = find_score(replay.scores, score.id);
    if (other == nullptr) continue;
    const bool ranked = score.rank > 0 && other->rank > 0;
    if (same_bits(score.logprob, other->logprob) && !(ranked && score.rank != other->rank)) continue;
    return ExactDifference{.reference = claim.reference,
                           .position = record.position,
                           .decode = decode,
                           .id = score.id,
                           .record = score.logprob,
                           .replay = other->logprob,
                           .record_rank = score.rank,
                           .replay_rank = other->rank,
                           .ulps = ulp_distance(score.logprob, other->logprob)};
  }
  return std::nullopt;
}

// Walks through the claim's positions and tokens once.
struct Walk {
  CandidateEvidence evidence;
  bool owed = false;
  Index positions = 0;

  void exclude(std::string reason) {
    if (evidence.excluded) return;
    evidence.excluded = true;
    evidence.log_e = kInfinity;
    evidence.decided_after = std::max(positions, Index{1});
    evidence.reason = std::move(reason);
  }

  void phase(const Generation& claim, std::span<const PositionScores> record,
             std::span<const PositionScores> replay, bool decode) {
    for (const PositionScores& position : record) {
      const PositionScores* other = find_position(replay, position.position);
      if (other == nullptr) continue;
      ++positions;
      const auto difference = difference_at(claim, position, *other, decode);
      if (!difference) continue;
      evidence.reproduces = false;
      if (!evidence.first_difference) evidence.first_difference = difference;
      if (owed_bits)
        exclude(difference->ulps > 0 ? "its replay gives other bits" : "its replay gives other ranks");
    }
  }

  void tokens(const Generation& claim, std::span<const TokenCheck> checks) {
    TokenEvidence& sum = evidence.tokens;
    for (const TokenCheck& check : checks) {
      ++sum.tokens;
      const bool chosen = check.rank == 1 || (owed_margin && check.margin == 0);
      sum.chosen += chosen ? 1 : 0;
      sum.ties += !chosen && check.margin == 0 ? 1 : 0;
      const auto margin = static_cast<double>(check.margin);
      if (margin > sum.largest_margin) {
        sum.largest_margin = margin;
        sum.reference = claim.reference;
        sum.position = check.position;
      }
      if (chosen) continue;
      evidence.reproduces = false;
      if (owed)
        exclude(fmt::format("its replay would not have chosen the token at position {} of ref_{}",
                            check.position, claim.reference));
    }
  }

  bool owed_bits = false;    // of this prompt: not if its numbers were rounded
  bool owed_margin = false;  // sampled: margin 0 is the choice, whatever the rank
};

}  // namespace

CandidateEvidence replayed(const ClaimView& claim, const Hypothesis& hypothesis, const std::string& verifier,
                           bool owed) {
  Walk walk{.evidence = {.hypothesis = hypothesis, .verifier = verifier, .reproduces = true}, .owed = owed};
  walk.owed_margin = claim.verification.claimed_settings.sampling.sampler != Sampler::greedy;
  for (const Generation* prompt : claim.prompts) {
    const Reexecution* run = claim.run_by(verifier, prompt->reference);
    if (run == nullptr) continue;
    walk.owed_bits = owed && !decimals_within(claim.prompts, *prompt);
    walk.phase(*prompt, prompt->prefill, run->prefill, false);
    walk.phase(*prompt, prompt->decode, run->decode, true);
    walk.tokens(*prompt, run->tokens);
  }
  walk.evidence.reproduces &= walk.positions > 0;
  if (owed && (walk.positions > 0 || walk.evidence.tokens.tokens > 0)) walk.evidence.tier = Tier::exact;
  return walk.evidence;
}

double log_e_of_equal_bits(const ClaimView& claim, const Coincidence& coincidence) {
  double log_e = 0;
  const auto listed = static_cast<std::size_t>(claim.verification.claimed_settings.top_k);
  const auto whole = [listed](const std::vector<PositionScores>& phase) {
    return std::count_if(phase.begin(), phase.end(), [listed](const PositionScores& position) {
      return position.scores.size() >= listed;
    });
  };
  for (const Generation* prompt : claim.prompts) {
    const auto positions = static_cast<double>(whole(prompt->prefill) + whole(prompt->decode));
    if (positions == 0) continue;
    log_e -=
        std::log(coincidence.upper_bound) + (positions - 1) * std::log(coincidence.upper_bound_after_equal);
  }
  return log_e;
}

Coincidence count_coincidence(const ClaimView& claim) {
  const Verification& verification = claim.verification;
  Index prompts = 1;
  for (const Generation* prompt : claim.prompts) prompts = std::max(prompts, prompt->reference + 1);
  CoincidenceCounter counter(prompts);
  for (const Setup& setup : verification.setups) {
    const std::string verifier = verifier_name(setup, verification.setups);
    if (replayed(claim, {}, verifier, false).reproduces) continue;
    for (const Generation* prompt : claim.prompts) {
      const Reexecution* run = claim.run_by(verifier, prompt->reference);
      if (run == nullptr) continue;
      counter.add(prompt->reference, differences_of(*prompt, *run, verification.claimed_settings.top_k));
    }
  }
  return counter.unclustered();
}

}  // namespace assay
