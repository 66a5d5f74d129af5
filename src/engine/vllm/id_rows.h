// The ids of interest of a request, as vLLM takes them: a row for each position from the first asked one on.
#pragma once

#include <span>
#include <vector>

#include "engine/engine.h"

namespace assay {

struct IdRows {
  Index first = 1;  // position of the first row, whose row is not empty
  std::vector<std::vector<TokenId>>
      ids;  // a row of each position to the last; empty: nothing is asked at all

  Index width() const;                                // of the longest row
  std::span<const TokenId> at(Index position) const;  // none before `first`
};

// The asked ids without each position's own, which is scored anyway. At a position that asks for more than `most` (0:
// no limit) none are.
IdRows id_rows(const ScoreRequest& request, Index most);

}  // namespace assay
