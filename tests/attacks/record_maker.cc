#include "attacks/record_maker.h"

#include "experiment/environment.h"

namespace assay::attacks {

Sequence tokens_of(const Generation& generation) { return {generation.prompt_ids, generation.generated_ids}; }

TokenId token_at(const Sequence& tokens, Index position) {
  const auto at = static_cast<std::size_t>(position);
  return at < tokens.prompt.size() ? tokens.prompt[at] : tokens.generated.at(at - tokens.prompt.size());
}

void set_scores(Generation& generation, std::vector<PositionScores> lists) {
  generation.prefill.clear();
  generation.decode.clear();
  const auto prompt = static_cast<Index>(generation.prompt_ids.size());
  for (PositionScores& list : lists) {
    (list.position < prompt ? generation.prefill : generation.decode).push_back(std::move(list));
  }
}

Result<Record> record_claiming(Workshop& workshop, const Setup& claimed, std::vector<Generation> generations,
                               const Sampling& sampling) {
  static const Environment environment = capture_environment();
  auto setup = workshop.shelf().described(claimed);
  if (!setup) return setup.error();
  const WorkshopPlan& plan = workshop.plan();
  Record record;
  record.environment = environment;
  record.setups = {*std::move(setup)};
  record.settings = {.max_new_tokens = plan.new_tokens,
                     .prompt_tokens = plan.prompt_tokens,
                     .references = plan.references,
                     .top_k = plan.top_k,
                     .last_positions = plan.new_tokens,
                     .runs = 1,
                     .ignore_eos = true,
                     .sampling = sampling};
  record.timestamp = "2026-01-01T00:00:00Z";
  for (Generation& generation : generations) generation.setup = claimed.name;
  record.generations = std::move(generations);
  return record;
}

Result<std::vector<Generation>> generate_all(Workshop& workshop, const Setup& setup,
                                             const Sampling& sampling) {
  std::vector<Generation> all;
  for (Index reference = 0; reference < workshop.plan().references; ++reference) {
    auto generation = workshop.generate(setup, reference, sampling);
    if (!generation) return generation.error();
    all.push_back(*std::move(generation));
  }
  return all;
}

Sampling drawn(const Workshop& workshop) {
  return {.sampler = Sampler::exponential_race, .temperature = 1, .seed = workshop.plan().seed};
}

Result<Record> honest_record(Workshop& workshop, const Setup& setup, const Sampling& sampling) {
  auto generations = generate_all(workshop, setup, sampling);
  if (!generations) return generations.error();
  return record_claiming(workshop, setup, *std::move(generations), sampling);
}

Result<Generation> rescored(Workshop& workshop, const Setup& scorer, Generation generation, Replay replay) {
  const Sequence tokens = tokens_of(generation);
  const auto scores = workshop.score(scorer, tokens, replay);
  if (!scores) return scores.error();
  std::vector<PositionScores> lists;
  for (const Distribution& distribution : (*scores)->positions) {
    const TokenId own = token_at(tokens, distribution.position);
    lists.push_back(list_of(distribution, {&own, 1}, workshop.plan().top_k));
  }
  set_scores(generation, std::move(lists));
  return generation;
}

}  // namespace assay::attacks
