#include "attacks/attack.h"

namespace assay::attacks {

Result<Record> wrong_seed(Workshop& workshop) {
  const Sampling claimed = drawn(workshop);
  Sampling used = claimed;
  used.seed += 1'000'000;
  auto generations = generate_all(workshop, claimed_setup(), used);
  if (!generations) return generations.error();
  return record_claiming(workshop, claimed_setup(), *std::move(generations), claimed);
}

}  // namespace assay::attacks
