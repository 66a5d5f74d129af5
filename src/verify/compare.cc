#include "verify/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "record/fingerprint.h"
#include "verify/distance.h"
#include "verify/sanity.h"

namespace assay {
namespace {

const Generation* find_claim(const Record& record, const std::string& setup, Index reference) {
  const auto found =
      std::find_if(record.generations.begin(), record.generations.end(),
                   [&](const Generation& run) { return run.setup == setup && run.reference == reference; });
  return found == record.generations.end() ? nullptr : &*found;
}

std::string name(const Generation& run) { return fmt::format("{}/ref_{}", run.setup, run.reference); }

TokenId own_token(const PhaseView& run, Index position) {
  const auto at = static_cast<std::size_t>(position);
  return at < run.prompt.size() ? run.prompt[at] : run.generated[at - run.prompt.size()];
}

// Every id that the claim recorded must have been scored again; of positions with more than `owed` besides their own
// token, that token alone.
Result<void> check_covered(const PhaseView& claim, std::span<const PositionScores> rescored, Index owed,
                           const std::string& file) {
  const std::string key = claim.decode ? "decode" : "prefill";
  for (const PositionScores& position : claim.scores) {
    const PositionScores* other = find_position(rescored, position.position);
    if (other == nullptr) {
      return Error{file, key, fmt::format("scores at position {}", position.position), "none"};
    }
    const bool own_only = std::ssize(position.scores) - 1 > owed;
    for (const TokenScore& score : position.scores) {
      if (own_only && score.id != own_token(claim, position.position)) continue;
      if (find_score(other->scores, score.id) == nullptr) {
        return Error{file, key, fmt::format("the score of id {} at position {}", score.id, position.position),
                     "none"};
      }
    }
  }
  return {};
}

// How many generated tokens have a known rank under the verifier, and how many of them rank 1.
void count_ranks(const Generation& claim, std::span<const PositionScores> decode, Comparison& comparison) {
  for (const PositionScores& position : decode) {
    const auto at = static_cast<std::size_t>(position.position) - claim.prompt_ids.size();
    if (at >= claim.generated_ids.size()) continue;
    for (const TokenScore& score : position.scores) {
      if (score.id != claim.generated_ids[at] || score.rank == 0) continue;
      ++comparison.ranked_tokens;
      comparison.top_tokens += score.rank == 1 ? 1 : 0;
    }
  }
}

Comparison compare_views(const Generation& a, const PhaseView& prefill_b, const PhaseView& decode_b,
                         const std::string& verifier, DistanceRule rule, Index top_k) {
  return {.reference = a.reference,
          .claimed = a.setup,
          .verifier = verifier,
          .prefill = compare_phase(prefill_view(a), prefill_b, rule, top_k),
          .decode = compare_phase(decode_view(a), decode_b, rule, top_k),
          .prompt_tokens = static_cast<Index>(a.prompt_ids.size()),
          .generated_tokens = static_cast<Index>(a.generated_ids.size())};
}

}  // namespace

Index owed_ids(const Setup& verifier, std::string_view replay) {
  const std::string scored = lookup(verifier.ran, "ids_scored");
  if (scored == "top_k") return 0;
  if (scored != "all_in_prefill") return kEveryId;
  const std::string limit = lookup(verifier.ran, "top_k_limit");
  if (replay != "prefill") return 0;
  if (limit == "none") return kEveryId;
  Index most = 0;
  const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), most);
  return error == std::errc() && end == limit.data() + limit.size() ? most : 0;
}

Result<Comparison> compare_one(const Generation& claim, const Reexecution& run, Index owed, DistanceRule rule,
                               Index top_k) {
  const std::string file = fmt::format("{} under {}", name(claim), run.verifier);
  if (run.claimed != claim.setup || run.reference != claim.reference) {
    return Error{file, "claimed", name(claim), fmt::format("{}/ref_{}", run.claimed, run.reference)};
  }
  PhaseView prefill = prefill_view(claim);
  PhaseView decode = decode_view(claim);
  if (rule == DistanceRule::every_id) {
    for (const auto& [view, rescored] : {std::pair(prefill, &run.prefill), {decode, &run.decode}}) {
      if (auto covered = check_covered(view, *rescored, owed, file); !covered) return covered.error();
    }
  }
  prefill.scores = run.prefill;
  decode.scores = run.decode;
  Comparison comparison = compare_views(claim, prefill, decode, run.verifier, rule, top_k);
  count_ranks(claim, run.decode, comparison);
  return comparison;
}

Result<std::vector<Comparison>> compare_all(const Record& record, const Verification& verification,
                                            DistanceRule rule) {
  std::vector<Comparison> comparisons;
  for (const Reexecution& run : verification.reexecutions) {
    const Generation* claim = find_claim(record, run.claimed, run.reference);
    if (claim == nullptr) {
      return Error{verification.reference_file, fmt::format("{}/ref_{}", run.claimed, run.reference),
                   "a generation to compare with", "none"};
    }
    const Setup* verifier = find_verifier(verification.setups, run.verifier);
    if (verifier == nullptr) {
      return Error{verification.reference_file, "verifier", "a setup of the verification", run.verifier};
    }
    auto comparison =
        compare_one(*claim, run, owed_ids(*verifier, verification.replay), rule, record.settings.top_k);
    if (!comparison) return comparison.error();
    comparisons.push_back(*std::move(comparison));
  }
  return comparisons;
}

Result<Verification> compare_records(const Record& claimed, const std::string& claimed_file,
                                     const Record& verifier, const std::string& verifier_file,
                                     DistanceRule rule) {
  const auto own = analyze_record(claimed, claimed_file, rule);
  if (!own) return own.error();
  Verification result;
  result.environment = verifier.environment;
  result.setups = verifier.setups;
  result.timestamp = verifier.timestamp;
  result.reference_file = claimed_file;
  result.reference_fingerprint = own->fingerprint;
  result.reference_environment = claimed.environment;
  result.claimed_setups = claimed.setups;
  result.prefill_equivalent_pairs = own->prefill.equivalent_pairs;
  result.decode_equivalent_pairs = own->decode.equivalent_pairs;
  result.rule = rule;
  for (const Setup& setup : verifier.setups) {
    for (const Generation& claim : claimed.generations) {
      const Generation* other = find_claim(verifier, setup.name, claim.reference);
      const std::string key = fmt::format("{}/ref_{}", setup.name, claim.reference);
      if (other == nullptr) return Error{verifier_file, key, "the references of " + claimed_file, "none"};
      if (other->prompt_ids != claim.prompt_ids) {
        return Error{verifier_file, key + ".prompt_ids",
                     "the prompt of " + name(claim) + " in " + claimed_file, "another prompt"};
      }
      Comparison comparison = compare_views(claim, prefill_view(*other), decode_view(*other), setup.name,
                                            rule, claimed.settings.top_k);
      if (other->generated_ids == claim.generated_ids) count_ranks(claim, other->decode, comparison);
      result.comparisons.push_back(std::move(comparison));
    }
  }
  return result;
}

}  // namespace assay
