#include <cmath>

#include "attacks/attack.h"

namespace assay::attacks {

Result<Record> in_decimals(Workshop& workshop, const Setup& ran, Index decimals, Cut cut) {
  auto generations = generate_all(workshop, ran);
  if (!generations) return generations.error();
  const double scale = std::pow(10.0, static_cast<double>(decimals));
  for (Generation& generation : *generations) {
    for (auto* phase : {&generation.prefill, &generation.decode}) {
      for (PositionScores& position : *phase) {
        for (TokenScore& score : position.scores) {
          const double scaled = double{score.logprob} * scale;
          const double kept = cut == Cut::rounded ? std::round(scaled) : std::trunc(scaled);
          score.logprob = static_cast<float>(kept / scale);
        }
      }
    }
  }
  return record_claiming(workshop, claimed_setup(), *std::move(generations));
}

}  // namespace assay::attacks
