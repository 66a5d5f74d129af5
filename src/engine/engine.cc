#include "engine/engine.h"

namespace assay {

Result<std::vector<Scores>> Engine::score_together(std::span<const ScoreRequest> requests) {
  std::vector<Scores> all;
  for (const ScoreRequest& request : requests) {
    auto scores = score(request);
    if (!scores) return scores.error();
    all.push_back(*std::move(scores));
  }
  return all;
}

}  // namespace assay
