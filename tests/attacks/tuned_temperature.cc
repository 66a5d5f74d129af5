// The attack of Karvonen et al., "DiFR: Inference Verification Despite Nondeterminism" (arXiv 2511.20621), on
// tests of the mean cross-entropy, here with the scores reported at that temperature too.
#include <algorithm>
#include <cmath>

#include "attacks/attack.h"

namespace assay::attacks {
namespace {

// The distribution whose logits are divided by `temperature`. Ranks stay.
Distribution at_temperature(Distribution distribution, double temperature) {
  double sum = 0;  // the largest log-probability is at most 0, so that no term overflows
  for (const float logprob : distribution.logprobs) sum += std::exp(double{logprob} / temperature);
  const double normalizer = std::log(sum);
  for (float& logprob : distribution.logprobs) {
    logprob = static_cast<float>(std::min(0.0, double{logprob} / temperature - normalizer));
  }
  return distribution;
}

struct Scored {
  Generation generation;
  const ForcedScores* scores;
};

Result<std::vector<Scored>> generate_scored(Workshop& workshop, const Setup& setup) {
  auto generations = generate_all(workshop, setup);
  if (!generations) return generations.error();
  std::vector<Scored> all;
  for (Generation& generation : *generations) {
    const auto scores = workshop.score(setup, tokens_of(generation), Replay::decode);
    if (!scores) return scores.error();
    all.push_back({std::move(generation), *scores});
  }
  return all;
}

double mean_generated_logprob(const std::vector<Scored>& all, double temperature) {
  double sum = 0;
  Index count = 0;
  for (const Scored& run : all) {
    const Sequence tokens = tokens_of(run.generation);
    for (const Distribution& distribution : run.scores->positions) {
      if (distribution.position < static_cast<Index>(tokens.prompt.size())) continue;
      const auto own = static_cast<std::size_t>(token_at(tokens, distribution.position));
      sum += at_temperature(distribution, temperature).logprobs.at(own);
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

// The mean falls with the temperature where tokens are the most likely ones.
double temperature_for(const std::vector<Scored>& cheap, double mean) {
  double low = 0.1;
  double high = 10;
  for (int step = 0; step < 24; ++step) {
    const double middle = std::sqrt(low * high);
    (mean_generated_logprob(cheap, middle) > mean ? low : high) = middle;
  }
  return std::sqrt(low * high);
}

}  // namespace

Result<Record> tuned_temperature(Workshop& workshop) {
  const auto honest = generate_scored(workshop, claimed_setup());
  if (!honest) return honest.error();
  auto cheap = generate_scored(workshop, cheap_setup());
  if (!cheap) return cheap.error();
  const double temperature = temperature_for(*cheap, mean_generated_logprob(*honest, 1));
  std::vector<Generation> generations;
  for (Scored& run : *cheap) {
    const Sequence tokens = tokens_of(run.generation);
    std::vector<PositionScores> lists;
    for (const Distribution& distribution : run.scores->positions) {
      const TokenId own = token_at(tokens, distribution.position);
      lists.push_back(list_of(at_temperature(distribution, temperature), {&own, 1}, workshop.plan().top_k));
    }
    set_scores(run.generation, std::move(lists));
    generations.push_back(std::move(run.generation));
  }
  return record_claiming(workshop, claimed_setup(), std::move(generations));
}

}  // namespace assay::attacks
