#include "engine/native/decoder_backend.h"

#include "engine/native/score_logits.h"

namespace assay {

void DecoderBackend::forward_branches(Index, std::span<const std::span<const std::int32_t>>) {
  throw Fault("a backend without branches");
}

void DecoderBackend::select_branch(Index) { throw Fault("a backend without branches"); }

Result<std::vector<PositionScores>> score_by_visiting(DecoderBackend& backend, const Ops& ops,
                                                      std::span<const AskedPosition> asked) {
  std::vector<Index> positions;
  for (const AskedPosition& want : asked) positions.push_back(want.position);
  std::vector<PositionScores> scores(asked.size());
  const auto read = backend.visit_logits(positions, [&](std::size_t i, std::span<const float> logits) {
    scores[i] = {asked[i].position, score_logits(ops, logits, asked[i].ids, asked[i].top_k)};
  });
  if (!read) return read.error();
  return scores;
}

}  // namespace assay
