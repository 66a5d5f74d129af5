#include "attacks/baselines/paired.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/draw.h"

namespace assay::attacks {
namespace {

const Reexecution& own_reexecution(const Trial& trial, const Generation& claim) {
  for (const Reexecution& run : trial.prefill.reexecutions) {
    const bool own = setup_name(trial.prefill.setups, run.verifier) == claim.setup;
    if (own && run.claimed == claim.setup && run.reference == claim.reference) return run;
  }
  throw Fault("a trial has a re-execution of every claim under its own setup");
}

}  // namespace

double PairedPosition::difference() const { return std::fabs(claimed_logprob - verifier_logprob); }

const TokenScore* find_score(const PositionScores& list, TokenId id) {
  const auto found = std::find_if(list.scores.begin(), list.scores.end(),
                                  [id](const TokenScore& score) { return score.id == id; });
  return found == list.scores.end() ? nullptr : &*found;
}

std::vector<PairedPosition> generated_pairs(const Trial& trial) {
  std::vector<PairedPosition> pairs;
  for (const Generation& claim : trial.record.generations) {
    const Reexecution& run = own_reexecution(trial, claim);
    require(run.decode.size() == claim.decode.size(), "a re-execution covers the claim's positions");
    for (std::size_t i = 0; i < claim.decode.size(); ++i) {
      const auto at = static_cast<std::size_t>(claim.decode[i].position) - claim.prompt_ids.size();
      const TokenId own = claim.generated_ids.at(at);
      const TokenScore* claimed = find_score(claim.decode[i], own);
      const TokenScore* verifier = find_score(run.decode[i], own);
      require(claimed != nullptr && verifier != nullptr, "both sides score the own token");
      pairs.push_back({.reference = claim.reference,
                       .own = own,
                       .claimed = &claim.decode[i],
                       .verifier = &run.decode[i],
                       .claimed_logprob = claimed->logprob,
                       .verifier_logprob = verifier->logprob,
                       .claimed_rank = claimed->rank,
                       .verifier_rank = verifier->rank,
                       .chosen = run.tokens.at(at).margin == 0});
    }
  }
  return pairs;
}

std::vector<PairedPosition> challenged(std::vector<PairedPosition> pairs, Index count) {
  SplitMix64 random(32);
  const auto total = static_cast<Index>(pairs.size());
  for (Index i = 0; i < std::min(count, total); ++i) {
    std::swap(pairs[static_cast<std::size_t>(i)],
              pairs[static_cast<std::size_t>(i + draw_below(random, total - i))]);
  }
  pairs.resize(static_cast<std::size_t>(std::min(count, total)));
  return pairs;
}

}  // namespace assay::attacks
