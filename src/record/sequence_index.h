// sequences.jsonl: the lines of a run folder, whose scores lie in logprobs.safetensors. Internal to record.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/record.h"
#include "record/score_tensors.h"

namespace assay {

// All lines, and the scores they speak of in the same order.
struct IndexedSequences {
  std::string lines;
  FlatScores scores;
};

IndexedSequences index_sequences(const std::vector<Generation>& generations);
IndexedSequences index_sequences(const std::vector<Reexecution>& runs);

// The other way; `file` is the path of the lines. Error: a line that is wrong, more or fewer scores than the
// lines speak of.
Result<std::vector<Generation>> join_generations(std::string_view lines, const FlatScores& scores,
                                                 const std::string& file);
Result<std::vector<Reexecution>> join_reexecutions(std::string_view lines, const FlatScores& scores,
                                                   const std::string& file);

}  // namespace assay
