// The distance of two runs: L2 over the log-probabilities of shared ids at one position, then the mean over
// the positions of a phase. Positions are matched by their place counted from the end of the prompt (prefill)
// or of the text (decode), as the seed's pos_-3 to pos_-1 are.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "base/error.h"
#include "record/record.h"

namespace assay {

inline constexpr double kNothingShared = std::numeric_limits<double>::infinity();

// The tokens of a run and one phase of its scores; views, so the run must outlive it.
struct PhaseView {
  std::span<const TokenId> prompt;
  std::span<const TokenId> generated;
  std::span<const PositionScores> scores;
  bool decode = false;  // which phase `scores` are
};

PhaseView prefill_view(const Generation& run);
PhaseView decode_view(const Generation& run);

// Rules at one position:
//   every_id: all ids that both lists hold; a position that follows different tokens in the two runs is not
//             compared. Symmetric.
//   seed:     the ids among the first top_k of a's list (the own token first, then by rank) that b's list
//   holds
//             too. The own token comes on top of b's top k, so a and b are not interchangeable.
// The distance is kNothingShared where no id is shared; such positions are left out of mean and max, and only
// if all positions are like that are mean and max infinite themselves.
PhaseComparison compare_phase(const PhaseView& a, const PhaseView& b, DistanceRule rule, Index top_k);

// L2 of the differences of two lists' shared ids; the list of a is cut to `limit` ids (0 = all).
double position_distance(std::span<const TokenScore> a, std::span<const TokenScore> b, Index limit);

}  // namespace assay
