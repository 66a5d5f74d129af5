#include "attacks/attack.h"

namespace assay::attacks {

Result<Record> half_replaced(Workshop& workshop, const Setup& other) {
  auto generations = generate_all(workshop, claimed_setup());
  if (!generations) return generations.error();
  for (Generation& generation : *generations) {
    const auto cheap = rescored(workshop, other, generation, Replay::decode);
    if (!cheap) return cheap.error();
    for (std::size_t i = 1; i < generation.decode.size(); i += 2) generation.decode[i] = cheap->decode[i];
  }
  return record_claiming(workshop, claimed_setup(), *std::move(generations));
}

}  // namespace assay::attacks
