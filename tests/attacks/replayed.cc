#include "attacks/attack.h"

namespace assay::attacks {

Result<Record> replayed(Workshop& workshop) {
  auto generations = generate_all(workshop, claimed_setup());
  if (!generations) return generations.error();
  for (Generation& generation : *generations) {
    auto other = workshop.generate(claimed_setup(), generation.reference + workshop.plan().references);
    if (!other) return other.error();
    const auto shift =
        static_cast<Index>(generation.prompt_ids.size()) - static_cast<Index>(other->prompt_ids.size());
    for (PositionScores& position : other->decode) position.position += shift;
    generation.generated_ids = std::move(other->generated_ids);
    generation.decode = std::move(other->decode);
  }
  return record_claiming(workshop, claimed_setup(), *std::move(generations));
}

}  // namespace assay::attacks
