#include "record/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <tuple>

#include "record/fingerprint.h"

namespace assay {
namespace {

// What the probabilities of a recorded position may sum to: log-probabilities rounded to two decimals are at most 0.005
// too high, a factor exp(0.005) < 1.00502.
constexpr double kMostProbability = 1.00502 * kMostSoftmaxSum;

// Where a phase's positions may lie, and the tokens that they predict.
struct Bounds {
  Index begin = 1;
  Index end = 0;
  const std::vector<TokenId>* prompt = nullptr;  // null: the tokens are not known here
  const std::vector<TokenId>* generated = nullptr;

  TokenId token(Index position) const {
    const auto at = static_cast<std::size_t>(position);
    return at < prompt->size() ? (*prompt)[at] : (*generated)[at - prompt->size()];
  }
};

Result<void> check_scores(const PositionScores& position, const std::string& file, const std::string& key) {
  std::set<TokenId> seen;
  double sum = 0;
  for (std::size_t i = 0; i < position.scores.size(); ++i) {
    const TokenScore& score = position.scores[i];
    const std::string score_key = fmt::format("{}, id {}", key, score.id);
    if (score.id < 0) return Error{file, key, "token ids that are not negative", std::to_string(score.id)};
    if (!seen.insert(score.id).second) return Error{file, score_key, "each id once", "the id twice"};
    if (!(score.logprob <= 0) || std::isinf(score.logprob)) {
      return Error{file, score_key, "a finite log-probability <= 0", fmt::format("{}", score.logprob)};
    }
    if (i > 0 && score.logprob > position.scores[i - 1].logprob) {
      return Error{file, score_key, "log-probabilities in descending order",
                   fmt::format("{} after {}", score.logprob, position.scores[i - 1].logprob)};
    }
    if (score.rank < 0) return Error{file, score_key, "a rank >= 0", std::to_string(score.rank)};
    sum += std::exp(static_cast<double>(score.logprob));
  }
  if (!(sum <= kMostProbability)) {
    return Error{file, key, "probabilities that sum to 1 at most", fmt::format("{:.6g}", sum)};
  }
  return {};
}

Result<void> check_phase(std::span<const PositionScores> phase, const Bounds& bounds, const std::string& file,
                         const std::string& key) {
  Index previous = 0;
  for (const PositionScores& position : phase) {
    const std::string where = fmt::format("{}, position {}", key, position.position);
    if (position.position < bounds.begin || position.position >= bounds.end) {
      return Error{file, key, fmt::format("positions from {} to {}", bounds.begin, bounds.end - 1),
                   std::to_string(position.position)};
    }
    if (position.position <= previous) return Error{file, where, "ascending positions", "one out of order"};
    previous = position.position;
    if (auto checked = check_scores(position, file, where); !checked) return checked;
    if (bounds.prompt == nullptr) continue;
    const TokenId own = bounds.token(position.position);
    if (std::none_of(position.scores.begin(), position.scores.end(),
                     [own](const TokenScore& score) { return score.id == own; })) {
      return Error{file, where, fmt::format("the score of the position's own token {}", own), "none"};
    }
  }
  return {};
}

std::string own_name(const Setup& setup, const std::vector<Setup>&) { return setup.name; }

// `name_of` gives the names that must be there once.
template <class NameOf>
Result<void> check_setups(const std::vector<Setup>& setups, const NameOf& name_of, const std::string& file) {
  if (setups.empty()) return Error{file, "setups", "at least one setup", "none"};
  std::set<std::string> names;
  for (const Setup& setup : setups) {
    if (setup.name.empty()) return Error{file, "setups", "named setups", "one without a name"};
    const std::string name = name_of(setup, setups);
    if (!names.insert(name).second) {
      return Error{file, "setups." + name, "each setup name once", "two setups of one name"};
    }
  }
  return {};
}

bool has_setup(const std::vector<Setup>& setups, const std::string& name) {
  return std::any_of(setups.begin(), setups.end(), [&](const Setup& setup) { return setup.name == name; });
}

Result<void> check_generation(const Generation& generation, const std::string& file) {
  const std::string key = fmt::format("{}/ref_{}", generation.setup, generation.reference);
  if (generation.reference < 0) return Error{file, key, "a reference >= 0", "a negative one"};
  if (generation.prompt_ids.empty()) return Error{file, key + ".prompt_ids", "at least one token", "none"};
  for (const auto* ids : {&generation.prompt_ids, &generation.generated_ids}) {
    const auto negative = std::find_if(ids->begin(), ids->end(), [](TokenId id) { return id < 0; });
    if (negative != ids->end()) {
      return Error{file, key, "token ids that are not negative", std::to_string(*negative)};
    }
  }
  const auto prompt = static_cast<Index>(generation.prompt_ids.size());
  const auto end = prompt + static_cast<Index>(generation.generated_ids.size());
  Bounds bounds{1, prompt, &generation.prompt_ids, &generation.generated_ids};
  if (auto checked = check_phase(generation.prefill, bounds, file, key + ".prefill"); !checked)
    return checked;
  bounds.begin = prompt;
  bounds.end = end;
  return check_phase(generation.decode, bounds, file, key + ".decode");
}

// The generations of a record, or the claims of a verification.
Result<void> check_generations(const std::vector<Setup>& setups, const std::vector<Generation>& generations,
                               const std::string& file) {
  std::set<std::pair<std::string, Index>> seen;
  for (const Generation& generation : generations) {
    const std::string key = fmt::format("{}/ref_{}", generation.setup, generation.reference);
    if (!has_setup(setups, generation.setup)) return Error{file, key, "a known setup", "an unknown one"};
    if (!seen.emplace(generation.setup, generation.reference).second) {
      return Error{file, key, "each reference once", "the reference twice"};
    }
    if (auto checked = check_generation(generation, file); !checked) return checked;
  }
  for (const Setup& setup : setups) {
    const auto first = seen.lower_bound({setup.name, 0});
    if (first == seen.end() || first->first != setup.name) {
      return Error{file, setup.name, "generations of each setup", "none"};
    }
  }
  return {};
}

Result<void> check_sampling(const Sampling& sampling, const std::string& file, const std::string& key) {
  const bool greedy = sampling.sampler == Sampler::greedy;
  const bool hot = sampling.temperature > 0 && std::isfinite(sampling.temperature);
  if (greedy ? sampling.temperature != 0 : !hot) {
    return Error{file, key + ".temperature", greedy ? "0 (greedy)" : "a temperature > 0",
                 fmt::format("{}", sampling.temperature)};
  }
  if (greedy && sampling.seed != 0) {
    return Error{file, key + ".seed", "0 (greedy)", std::to_string(sampling.seed)};
  }
  return {};
}

// `claim` is null where the verification does not hold it.
Result<void> check_tokens(const Reexecution& run, const Generation* claim, const std::string& file,
                          const std::string& key) {
  Index previous = 0;
  for (const TokenCheck& check : run.tokens) {
    const std::string where = fmt::format("{}.tokens, position {}", key, check.position);
    if (check.position <= previous) return Error{file, where, "ascending positions", "one out of order"};
    previous = check.position;
    if (check.rank < 1) return Error{file, where, "a rank >= 1", std::to_string(check.rank)};
    if (!(check.margin >= 0) || std::isinf(check.margin)) {
      return Error{file, where, "a finite margin >= 0", fmt::format("{}", check.margin)};
    }
    if (!(check.logprob <= 0) || std::isinf(check.logprob)) {
      return Error{file, where, "a finite log-probability <= 0", fmt::format("{}", check.logprob)};
    }
  }
  if (claim == nullptr || run.tokens.empty()) return {};
  const auto begin = static_cast<Index>(claim->prompt_ids.size());
  const auto count = static_cast<Index>(claim->generated_ids.size());
  // Ascending: with the right first, last and number of positions, all are there.
  if (static_cast<Index>(run.tokens.size()) == count && run.tokens.front().position == begin &&
      run.tokens.back().position == begin + count - 1) {
    return {};
  }
  return Error{file, key + ".tokens", fmt::format("positions {} to {}, each once", begin, begin + count - 1),
               fmt::format("{} from {} to {}", run.tokens.size(), run.tokens.front().position,
                           run.tokens.back().position)};
}

Result<void> check_claims(const Verification& verification, const std::string& file) {
  if (!(verification.alpha >= 0 && verification.alpha < 1)) {
    return Error{file, "alpha", "a probability below 1", fmt::format("{}", verification.alpha)};
  }
  if (!(verification.delta >= 0) || std::isinf(verification.delta)) {
    return Error{file, "delta", "a number >= 0", fmt::format("{}", verification.delta)};
  }
  const std::string key = "claimed_settings.sampling";
  if (auto checked = check_sampling(verification.claimed_settings.sampling, file, key); !checked)
    return checked;
  if (verification.claims.empty()) return {};
  auto checked = check_generations(verification.claimed_setups, verification.claims, file);
  if (!checked || verification.reference_fingerprint.empty()) return checked;
  Record record;
  record.generations = verification.claims;
  const std::string found = fingerprint(record);
  if (found == verification.reference_fingerprint) return {};
  return Error{file, "reference_fingerprint", found + " (of the claims)", verification.reference_fingerprint};
}

const Generation* find_claim(const Verification& verification, const Reexecution& run) {
  const auto& claims = verification.claims;
  const auto found = std::find_if(claims.begin(), claims.end(), [&](const Generation& claim) {
    return claim.setup == run.claimed && claim.reference == run.reference;
  });
  return found == claims.end() ? nullptr : &*found;
}

Result<void> check_reexecution(const Verification& verification, const Reexecution& run,
                               const std::string& file) {
  constexpr Index kAnywhere = Index{1} << 40;
  const std::string key = fmt::format("{} under {}/ref_{}", run.claimed, run.verifier, run.reference);
  if (find_verifier(verification.setups, run.verifier) == nullptr)
    return Error{file, key, "a known verifier", "an unknown one"};
  const Generation* claim = find_claim(verification, run);
  if (claim == nullptr && !verification.claims.empty())
    return Error{file, key, "one of the claims", "another"};
  const Bounds bounds{1, kAnywhere};
  if (auto checked = check_phase(run.prefill, bounds, file, key + ".prefill"); !checked) return checked;
  if (auto checked = check_phase(run.decode, bounds, file, key + ".decode"); !checked) return checked;
  return check_tokens(run, claim, file, key);
}

Result<void> check_noise_floors(const Record& record, const std::string& file) {
  for (const NoiseFloor& floor : record.noise_floors) {
    const std::string key = "noise_floors." + floor.setup;
    if (!has_setup(record.setups, floor.setup))
      return Error{file, key, "a setup of the record", "another name"};
    if (!(floor.prefill >= 0 && floor.decode >= 0)) {
      return Error{file, key, "distances >= 0", fmt::format("{} and {}", floor.prefill, floor.decode)};
    }
  }
  return {};
}

Result<void> check_comparison(const Comparison& comparison, const std::string& file, const std::string& key) {
  for (const PhaseComparison& phase : {comparison.prefill, comparison.decode}) {
    if (!(phase.mean >= 0 && phase.max >= phase.mean * (1 - 1e-12))) {  // the mean of equals may round up
      return Error{file, key, "0 <= mean <= max", fmt::format("{} and {}", phase.mean, phase.max)};
    }
    if (phase.bit_equal > phase.positions) {
      return Error{file, key, fmt::format("at most {} bit-equal positions", phase.positions),
                   std::to_string(phase.bit_equal)};
    }
    if (phase.first_difference > 0 && phase.bit_equal == phase.positions) {
      return Error{file, key, "no first difference where all positions are equal",
                   fmt::format("position {}", phase.first_difference)};
    }
  }
  return {};
}

}  // namespace

Result<void> check_record(const Record& record, const std::string& file) {
  if (auto checked = check_setups(record.setups, own_name, file); !checked) return checked;
  if (auto checked = check_sampling(record.settings.sampling, file, "settings.sampling"); !checked)
    return checked;
  if (auto checked = check_generations(record.setups, record.generations, file); !checked) return checked;
  return check_noise_floors(record, file);
}

Result<void> check_verification(const Verification& verification, const std::string& file) {
  if (auto checked = check_setups(verification.setups, verifier_name, file); !checked) return checked;
  if (auto checked = check_claims(verification, file); !checked) return checked;
  for (const Reexecution& run : verification.reexecutions) {
    if (auto checked = check_reexecution(verification, run, file); !checked) return checked;
  }
  std::set<std::tuple<std::string, std::string, Index>> seen;
  for (const Comparison& comparison : verification.comparisons) {
    const std::string key =
        fmt::format("{} under {}/ref_{}", comparison.claimed, comparison.verifier, comparison.reference);
    if (find_verifier(verification.setups, comparison.verifier) == nullptr) {
      return Error{file, key, "a known verifier", "an unknown one"};
    }
    if (!seen.emplace(comparison.claimed, comparison.verifier, comparison.reference).second) {
      return Error{file, key, "each comparison once", "the comparison twice"};
    }
    if (auto checked = check_comparison(comparison, file, key); !checked) return checked;
  }
  return {};
}

}  // namespace assay
