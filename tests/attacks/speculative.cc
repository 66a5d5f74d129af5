#include <cmath>

#include "attacks/attack.h"

namespace assay::attacks {
namespace {

Result<TokenId> choose(Workshop& workshop, const Sequence& tokens) {
  const auto draft = workshop.next(cheap_setup(), tokens);
  if (!draft) return draft.error();
  const TokenId first = draft->best_first.front();
  if (std::exp(draft->logprobs.at(static_cast<std::size_t>(first))) > kSure) return first;
  const auto target = workshop.next(claimed_setup(), tokens);
  if (!target) return target.error();
  return target->best_first.front();
}

}  // namespace

Result<Record> speculative(Workshop& workshop) {
  std::vector<Generation> generations;
  for (Index reference = 0; reference < workshop.plan().references; ++reference) {
    Sequence tokens{workshop.prompt(reference), {}};
    while (static_cast<Index>(tokens.generated.size()) < workshop.plan().new_tokens) {
      const auto token = choose(workshop, tokens);
      if (!token) return token.error();
      tokens.generated.push_back(*token);
    }
    Generation generation{.setup = "",
                          .reference = reference,
                          .prompt_ids = tokens.prompt,
                          .generated_ids = tokens.generated,
                          .prefill = {},
                          .decode = {}};
    auto scored = rescored(workshop, claimed_setup(), std::move(generation), Replay::prefill);
    if (!scored) return scored.error();
    generations.push_back(*std::move(scored));
  }
  return record_claiming(workshop, claimed_setup(), std::move(generations));
}

}  // namespace assay::attacks
