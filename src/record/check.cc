#include "record/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <tuple>

namespace assay {
namespace {

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
  std::set<std::pair<std::string, Index>> seen;
  for (const Generation& generation : record.generations) {
    const std::string key = fmt::format("{}/ref_{}", generation.setup, generation.reference);
    if (!has_setup(record.setups, generation.setup))
      return Error{file, key, "a known setup", "an unknown one"};
    if (!seen.emplace(generation.setup, generation.reference).second) {
      return Error{file, key, "each reference once", "the reference twice"};
    }
    if (auto checked = check_generation(generation, file); !checked) return checked;
  }
  for (const Setup& setup : record.setups) {
    const auto first = seen.lower_bound({setup.name, 0});
    if (first == seen.end() || first->first != setup.name) {
      return Error{file, setup.name, "generations of each setup", "none"};
    }
  }
  return check_noise_floors(record, file);
}

Result<void> check_verification(const Verification& verification, const std::string& file) {
  if (auto checked = check_setups(verification.setups, verifier_name, file); !checked) return checked;
  constexpr Index kAnywhere = Index{1} << 40;
  for (const Reexecution& run : verification.reexecutions) {
    const std::string key = fmt::format("{} under {}/ref_{}", run.claimed, run.verifier, run.reference);
    if (find_verifier(verification.setups, run.verifier) == nullptr)
      return Error{file, key, "a known verifier", "an unknown one"};
    const Bounds bounds{1, kAnywhere};
    if (auto checked = check_phase(run.prefill, bounds, file, key + ".prefill"); !checked) return checked;
    if (auto checked = check_phase(run.decode, bounds, file, key + ".decode"); !checked) return checked;
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
