#include "attacks/attack.h"

namespace assay::attacks {
namespace {

Result<Record> attached_with(Workshop& workshop, const Sampling& sampling) {
  auto generations = generate_all(workshop, cheap_setup(), sampling);
  if (!generations) return generations.error();
  for (Generation& generation : *generations) {
    auto honest_looking = rescored(workshop, claimed_setup(), std::move(generation), Replay::prefill);
    if (!honest_looking) return honest_looking.error();
    generation = *std::move(honest_looking);
  }
  return record_claiming(workshop, claimed_setup(), *std::move(generations), sampling);
}

}  // namespace

Result<Record> attached(Workshop& workshop) { return attached_with(workshop, {}); }

Result<Record> attached_drawn(Workshop& workshop) { return attached_with(workshop, drawn(workshop)); }

}  // namespace assay::attacks
