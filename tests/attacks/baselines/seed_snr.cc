#include <algorithm>
#include <cmath>
#include <map>

#include "attacks/baselines/baselines.h"
#include "base/error.h"
#include "verify/compare.h"
#include "verify/snr.h"

namespace assay::attacks {
namespace {

constexpr double kDecisiveRatio = 3;  // the seed's "marginally detectable"

struct Distances {
  double prefill = 0;  // sums over references
  double decode = 0;
};

}  // namespace

Decision seed_snr(const Trial& trial, std::span<const Trial>) {
  const std::string& claimed = trial.record.setups.front().name;
  const auto comparisons = compare_all(trial.record, trial.prefill, DistanceRule::seed);
  require(comparisons.ok(), "a trial's re-executions are those of its record");
  std::map<std::string, Distances> by_setup;
  for (const Comparison& comparison : *comparisons) {
    Distances& sum = by_setup[setup_name(trial.prefill.setups, comparison.verifier)];
    sum.prefill += comparison.prefill.mean;
    sum.decode += comparison.decode.mean;
  }
  const Distances own = by_setup.at(claimed);
  double largest = 0;
  for (const auto& [name, other] : by_setup) {
    if (name == claimed) continue;
    for (const auto phase : {&Distances::prefill, &Distances::decode}) {
      const bool comparable = std::isfinite(own.*phase) && std::isfinite(other.*phase);
      if (comparable) largest = std::max(largest, signal_to_noise(own.*phase, other.*phase));
    }
  }
  return {largest > kDecisiveRatio ? Outcome::refuted : Outcome::consistent, largest};
}

}  // namespace assay::attacks
