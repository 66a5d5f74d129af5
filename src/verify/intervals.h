// Bootstrap intervals over prompts of every distance and ratio that is printed.
#pragma once

#include <optional>
#include <vector>

#include "stats/bootstrap.h"
#include "verify/sanity.h"

namespace assay {

struct PhaseAnalysis;

using IntervalMatrix = std::vector<std::vector<std::optional<Interval>>>;

// 95 %, of each cell's mean over references; empty for fewer than two references.
IntervalMatrix cell_intervals(const std::vector<Matrix>& per_reference_matrices);

// Of a phase's numbers; none where there are fewer than two references.
struct PhaseIntervals {
  IntervalMatrix cells;
  std::optional<Interval> baseline_mean;
  std::optional<Interval> signal_all_mean;
  std::optional<Interval> signal_meaningful_mean;
  std::optional<Interval> snr_all;
  std::optional<Interval> snr_meaningful;
  struct Pair {
    std::optional<Interval> signal;
    std::optional<Interval> noise_floor;
    std::optional<Interval> snr;
  };
  std::vector<Pair> pairs;  // in the order of PhaseAnalysis::pairwise_snr
};

// The phase is analysed again for each resample, by analyze_phase.
PhaseIntervals phase_intervals(const std::vector<std::string>& claimed,
                               const std::vector<std::string>& verifiers, const PhaseAnalysis& phase);

}  // namespace assay
