#include "attacks/attack.h"

namespace assay::attacks {

Result<Record> substituted(Workshop& workshop, const Setup& other, Index n) {
  auto generations = generate_all(workshop, claimed_setup());
  if (!generations) return generations.error();
  const auto first = static_cast<Index>(workshop.plan().seed % static_cast<std::uint64_t>(n));
  for (Generation& generation : *generations) {
    if (generation.reference % n != first) continue;
    auto cheap = workshop.generate(other, generation.reference);
    if (!cheap) return cheap.error();
    generation = *std::move(cheap);
  }
  return record_claiming(workshop, claimed_setup(), *std::move(generations));
}

}  // namespace assay::attacks
