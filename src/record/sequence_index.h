// sequences.jsonl: the lines of a run folder, whose scores lie in logprobs.safetensors. Internal to record.
#pragma once

#include <string>

#include "base/error.h"
#include "record/record.h"
#include "record/score_tensors.h"

namespace assay {

// All lines, and the scores they speak of in the same order.
struct IndexedSequences {
  std::string lines;
  FlatScores scores;
};

// A line for each generation; of a verification, one for each claim, then one for each re-execution.
IndexedSequences index_sequences(const Record& record);
IndexedSequences index_sequences(const Verification& verification);

// The other way: adds the generations (the claims and re-executions). `file` is the path of the lines. Error:
// a line that is wrong, a claim after a re-execution, more or fewer scores than the lines speak of.
Result<void> join_sequences(const IndexedSequences& sequences, const std::string& file, Record& record);
Result<void> join_sequences(const IndexedSequences& sequences, const std::string& file,
                            Verification& verification);

}  // namespace assay
