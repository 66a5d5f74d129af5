#include "attacks/workshop.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/splitmix.h"
#include "experiment/documents.h"
#include "experiment/run.h"
#include "tokenizer/tokenizer.h"

namespace assay::attacks {
namespace {

std::vector<TokenId> joined(const Sequence& tokens) {
  std::vector<TokenId> all = tokens.prompt;
  all.insert(all.end(), tokens.generated.begin(), tokens.generated.end());
  return all;
}

std::string key_of(const Sampling& sampling) {
  return fmt::format("{} {} {}", word(sampling.sampler), sampling.temperature, sampling.seed);
}

}  // namespace

Result<Workshop> Workshop::open(EngineShelf& shelf, const WorkshopPlan& plan) {
  const auto tokenizer = Tokenizer::open(tiny_setup("none", "a100").model + "/tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  const auto text = read_document(plan.text);
  if (!text) return text.error();
  auto ids = tokenizer->encode(*text, SpecialTokens::none);
  if (!ids) return ids.error();
  if (static_cast<Index>(ids->size()) <= plan.prompt_tokens) {
    return Error{plan.text, "", fmt::format("more than {} tokens", plan.prompt_tokens),
                 std::to_string(ids->size())};
  }
  return Workshop(shelf, plan, *std::move(ids));
}

std::vector<TokenId> Workshop::prompt(Index reference) const {
  const auto length = static_cast<std::size_t>(plan_.prompt_tokens);
  const std::uint64_t draw = seed_of_part(plan_.seed, static_cast<std::uint64_t>(reference));
  const auto begin = text_.begin() + static_cast<Index>(draw % (text_.size() - length));
  return {begin, begin + static_cast<Index>(length)};
}

Result<Generation> Workshop::generate(const Setup& setup, Index reference, const Sampling& sampling) {
  const std::string key = fmt::format("{}/{}/{}", key_of(setup), reference, key_of(sampling));
  if (const auto kept = generations_.find(key); kept != generations_.end()) return kept->second;
  const auto engine = shelf_->engine(setup);
  if (!engine) return engine.error();
  auto made = (*engine)->generate({.prompt = prompt(reference),
                                   .max_new_tokens = plan_.new_tokens,
                                   .top_k = plan_.top_k,
                                   .last_positions = plan_.new_tokens,
                                   .ignore_eos = true,
                                   .noise_seed = kProverNoise,
                                   .sampling = sampling_of(sampling, reference)});
  if (!made) return made.error();
  made->setup = setup.name;
  made->reference = reference;
  return generations_.emplace(key, *std::move(made)).first->second;
}

Result<const ForcedScores*> Workshop::score(const Setup& setup, const Sequence& tokens, Replay replay,
                                            std::uint64_t noise, const Sampling& sampling) {
  const std::vector<TokenId> all = joined(tokens);
  const std::string key = fmt::format("{}/{}/{}/{}/{}/{}", key_of(setup), replay == Replay::decode, noise,
                                      key_of(sampling), tokens.prompt.size(), fmt::join(all, ","));
  auto& kept = scores_[key];
  if (kept != nullptr) return kept.get();
  const auto engine = shelf_->engine(setup);
  if (!engine) return engine.error();
  const auto prompt = static_cast<Index>(tokens.prompt.size());
  ScoreRequest request{.tokens = all,
                       .prompt_length = prompt,
                       .asked = {},
                       .replay = replay,
                       .noise_seed = noise,
                       .check_tokens = true,
                       .sampling = sampling};
  for (Index at = std::max(Index{1}, prompt - plan_.new_tokens); at < static_cast<Index>(all.size()); ++at) {
    request.asked.push_back({at, {}, (*engine)->vocabulary_size()});
  }
  auto scores = (*engine)->score(request);
  if (!scores) return scores.error();
  kept = std::make_unique<ForcedScores>();
  for (const PositionScores& position : scores->positions) {
    kept->positions.push_back(distribution_of(position));
  }
  kept->tokens = std::move(scores->tokens);
  return kept.get();
}

Result<Distribution> Workshop::next(const Setup& setup, const Sequence& tokens) {
  const auto engine = shelf_->engine(setup);
  if (!engine) return engine.error();
  std::vector<TokenId> all = joined(tokens);
  const auto position = static_cast<Index>(all.size());
  all.push_back(0);  // a position must exist to be predicted; this token is not computed
  const auto scores = (*engine)->score({.tokens = all,
                                        .prompt_length = static_cast<Index>(tokens.prompt.size()),
                                        .asked = {{position, {}, (*engine)->vocabulary_size()}},
                                        .replay = Replay::decode,
                                        .noise_seed = kProverNoise});
  if (!scores) return scores.error();
  return distribution_of(scores->positions.front());
}

}  // namespace assay::attacks
