#include "engine/native/cuda/step_graphs.h"

#include "kernels/cuda/gpu.h"

namespace assay {

void StepGraphs::run(Index rows, cudaStream_t stream, const std::function<void()>& launch) {
  const auto [entry, first] = graphs_.try_emplace(rows, nullptr);
  if (first) return launch();
  cudaGraphExec_t& graph = entry->second;
  if (graph == nullptr) {
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    launch();
    cudaGraph_t captured = nullptr;
    check_cuda(cudaStreamEndCapture(stream, &captured), "cudaStreamEndCapture");
    const cudaError_t status = cudaGraphInstantiate(&graph, captured, 0);
    cudaGraphDestroy(captured);
    check_cuda(status, "cudaGraphInstantiate");
  }
  check_cuda(cudaGraphLaunch(graph, stream), "cudaGraphLaunch");
}

void StepGraphs::clear() {
  for (const auto& [rows, graph] : graphs_) {
    if (graph != nullptr) cudaGraphExecDestroy(graph);
  }
  graphs_.clear();
}

}  // namespace assay
