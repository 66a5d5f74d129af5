// The scores of score_logits.h from logits in device memory: only what was asked for is copied to the host.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/native/cuda/cuda_decoder.h"
#include "kernels/cuda/token_scores.h"

namespace assay {

struct ScoreReading {
  const std::string& model;  // names it in errors
  Index vocabulary;
  Dtype dtype;
  cudaStream_t stream;
  ThreadPool& pool;
};

// Keeps its device memory from call to call.
class ScoreReader {
 public:
  // Error: logits that are not finite. top_k is at most kMostTopTokens (kernels/cuda/token_scores.h). Slots hold the
  // tokens of positions from 0 on.
  Result<std::vector<PositionScores>> read(CudaDecoder& decoder, std::span<const AskedPosition> asked,
                                           const ScoreReading& reading);

 private:
  struct Rows;
  struct AskedIds;
  Rows read_rows(CudaDecoder& decoder, std::span<const AskedPosition> asked, const AskedIds& ids,
                 const ScoreReading& reading);

  DeviceBuffer<RowSummary> summaries_;
  DeviceBuffer<std::int32_t> best_, ids_, row_of_, ranks_;
  DeviceBuffer<float> best_logits_, asked_logits_;
};

}  // namespace assay
