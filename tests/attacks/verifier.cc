#include "attacks/verifier.h"

#include "attacks/record_maker.h"
#include "experiment/run.h"
#include "record/fingerprint.h"
#include "verify/compare.h"
#include "verify/sanity.h"

namespace assay::attacks {
namespace {

// The list that the claim has at a position; empty if it has none.
std::vector<TokenId> claimed_ids(const Generation& claim, Index position) {
  std::vector<TokenId> ids;
  for (const auto* phase : {&claim.prefill, &claim.decode}) {
    for (const PositionScores& list : *phase) {
      if (list.position != position) continue;
      for (const TokenScore& score : list.scores) ids.push_back(score.id);
    }
  }
  return ids;
}

Result<Reexecution> reexecute(Workshop& workshop, const Generation& claim, const Setup& setup, Replay replay,
                              std::uint64_t noise, const Sampling& sampling) {
  const Sequence tokens = tokens_of(claim);
  const auto scores = workshop.score(setup, tokens, replay, noise, sampling_of(sampling, claim.reference));
  if (!scores) return scores.error();
  Reexecution run{.claimed = claim.setup,
                  .verifier = "",
                  .reference = claim.reference,
                  .prefill = {},
                  .decode = {},
                  .tokens = (*scores)->tokens};
  for (const Distribution& distribution : (*scores)->positions) {
    const bool decode = distribution.position >= static_cast<Index>(tokens.prompt.size());
    const auto ids = claimed_ids(claim, distribution.position);
    if (ids.empty()) continue;
    (decode ? run.decode : run.prefill).push_back(list_of(distribution, ids, workshop.plan().top_k));
  }
  return run;
}

}  // namespace

Result<Verification> verify(Workshop& workshop, const Record& record, const std::vector<Setup>& setups,
                            Replay replay, std::uint64_t noise) {
  const auto within = analyze_record(record, "record", DistanceRule::every_id);
  if (!within) return within.error();
  Verification verification;
  verification.environment = record.environment;
  for (const Setup& setup : setups) {
    auto described = workshop.shelf().described(setup);
    if (!described) return described.error();
    verification.setups.push_back(*std::move(described));
  }
  verification.timestamp = record.timestamp;
  verification.reference_file = "record";
  verification.reference_fingerprint = fingerprint(record);
  verification.reference_environment = record.environment;
  verification.claimed_setups = record.setups;
  verification.replay = replay == Replay::prefill ? "prefill" : "decode";
  verification.prefill_equivalent_pairs = within->prefill.equivalent_pairs;
  verification.decode_equivalent_pairs = within->decode.equivalent_pairs;
  for (const Setup& setup : verification.setups) {
    for (const Generation& claim : record.generations) {
      auto run = reexecute(workshop, claim, setup, replay, noise, record.settings.sampling);
      if (!run) return run.error();
      run->verifier = verifier_name(setup, verification.setups);
      verification.reexecutions.push_back(*std::move(run));
    }
  }
  verification.claims = record.generations;
  verification.claimed_settings = record.settings;
  auto comparisons = compare_all(record, verification, DistanceRule::every_id);
  if (!comparisons) return comparisons.error();
  verification.comparisons = *std::move(comparisons);
  return verification;
}

}  // namespace assay::attacks
