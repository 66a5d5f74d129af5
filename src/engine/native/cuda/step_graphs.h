// Captured decode steps, one for each number of rows: a step is some 400 launches, which a graph makes one.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <map>

#include "base/index.h"

namespace assay {

class StepGraphs {
 public:
  StepGraphs() = default;
  ~StepGraphs() { clear(); }
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  // Runs `launch`, which must make the same launches with the same arguments for equal `rows`: the first time as it is
  // (kernels are chosen and memory is taken), from then on as a graph.
  void run(Index rows, cudaStream_t stream, const std::function<void()>& launch);

  // When memory that the launches refer to has moved.
  void clear();

 private:
  std::map<Index, cudaGraphExec_t> graphs_;  // null: ran once
};

}  // namespace assay
