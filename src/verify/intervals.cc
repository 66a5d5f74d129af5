#include "verify/intervals.h"

#include <map>

#include "verify/analysis.h"

namespace assay {
namespace {

// Statistics of resampled references; a resample that was seen is not analysed again.
class Resampled {
 public:
  Resampled(const std::vector<std::string>& claimed, const std::vector<std::string>& verifiers,
            const PhaseAnalysis& phase)
      : claimed_(claimed), verifiers_(verifiers), phase_(phase) {}

  template <class Statistic>
  std::optional<Interval> interval(const Statistic& statistic) {
    const auto references = static_cast<Index>(phase_.per_reference_matrices.size());
    return bootstrap_interval(references, [&](std::span<const Index> drawn) { return statistic(of(drawn)); });
  }

 private:
  const PhaseAnalysis& of(std::span<const Index> drawn) {
    std::vector<Index> key(drawn.begin(), drawn.end());
    const auto found = seen_.find(key);
    if (found != seen_.end()) return found->second;
    std::vector<Matrix> matrices;
    for (const Index reference : drawn) {
      matrices.push_back(phase_.per_reference_matrices[static_cast<std::size_t>(reference)]);
    }
    PhaseAnalysis phase = analyze_phase(claimed_, verifiers_, std::move(matrices), phase_.excluded_pairs);
    phase.per_reference_matrices.clear();
    return seen_.emplace(std::move(key), std::move(phase)).first->second;
  }

  const std::vector<std::string>& claimed_;
  const std::vector<std::string>& verifiers_;
  const PhaseAnalysis& phase_;
  std::map<std::vector<Index>, PhaseAnalysis> seen_;
};

}  // namespace

IntervalMatrix cell_intervals(const std::vector<Matrix>& per_reference_matrices) {
  const auto references = static_cast<Index>(per_reference_matrices.size());
  if (references < 2) return {};
  IntervalMatrix intervals;
  for (std::size_t i = 0; i < per_reference_matrices.front().size(); ++i) {
    auto& row = intervals.emplace_back();
    for (std::size_t j = 0; j < per_reference_matrices.front()[i].size(); ++j) {
      row.push_back(bootstrap_interval(references, [&](std::span<const Index> drawn) {
        double sum = 0;
        for (const Index reference : drawn)
          sum += per_reference_matrices[static_cast<std::size_t>(reference)][i][j];
        return sum / static_cast<double>(references);
      }));
    }
  }
  return intervals;
}

PhaseIntervals phase_intervals(const std::vector<std::string>& claimed,
                               const std::vector<std::string>& verifiers, const PhaseAnalysis& phase) {
  PhaseIntervals result;
  result.cells = cell_intervals(phase.per_reference_matrices);
  if (result.cells.empty()) return result;
  Resampled resampled(claimed, verifiers, phase);
  const auto of = [&](double PhaseAnalysis::*member) {
    return resampled.interval([member](const PhaseAnalysis& drawn) { return drawn.*member; });
  };
  result.baseline_mean = of(&PhaseAnalysis::baseline_mean);
  result.signal_all_mean = of(&PhaseAnalysis::signal_all_mean);
  result.signal_meaningful_mean = of(&PhaseAnalysis::signal_meaningful_mean);
  result.snr_all = of(&PhaseAnalysis::snr_all);
  result.snr_meaningful = of(&PhaseAnalysis::snr_meaningful);
  for (std::size_t i = 0; i < phase.pairwise_snr.size(); ++i) {
    const auto pair = [&](double PairSnr::*member) {
      return resampled.interval(
          [i, member](const PhaseAnalysis& drawn) { return drawn.pairwise_snr[i].*member; });
    };
    result.pairs.push_back({pair(&PairSnr::signal), pair(&PairSnr::noise_floor), pair(&PairSnr::snr)});
  }
  return result;
}

}  // namespace assay
