#include "kernel_names.h"

#include <cuda.h>

#include <cstddef>

namespace assay_probe {
namespace {

template <class Function>
Function* driver_function(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult status{};
  constexpr unsigned kVersion = 12030;
  if (cudaGetDriverEntryPointByVersion(name, &found, kVersion, cudaEnableDefault, &status) != cudaSuccess ||
      status != cudaDriverEntryPointSuccess) {
    return nullptr;
  }
  return reinterpret_cast<Function*>(found);
}

KernelLaunch launch_of(cudaGraphNode_t node) {
  static auto* const node_params =
      driver_function<decltype(cuGraphKernelNodeGetParams)>("cuGraphKernelNodeGetParams");
  static auto* const function_name = driver_function<decltype(cuFuncGetName)>("cuFuncGetName");
  static auto* const kernel_name = driver_function<decltype(cuKernelGetName)>("cuKernelGetName");
  KernelLaunch launch{.name = "?"};
  CUDA_KERNEL_NODE_PARAMS params{};
  if (node_params == nullptr || node_params(node, &params) != CUDA_SUCCESS) return launch;
  launch.grid = {params.gridDimX, params.gridDimY, params.gridDimZ};
  launch.block = {params.blockDimX, params.blockDimY, params.blockDimZ};
  launch.shared_bytes = params.sharedMemBytes;
  const char* name = nullptr;
  if (params.func != nullptr && function_name != nullptr) {
    if (function_name(&name, params.func) != CUDA_SUCCESS) name = nullptr;
  } else if (params.kern != nullptr && kernel_name != nullptr) {
    if (kernel_name(&name, params.kern) != CUDA_SUCCESS) name = nullptr;
  }
  if (name != nullptr) launch.name = name;
  return launch;
}

}  // namespace

std::vector<KernelLaunch> captured_kernels(cudaStream_t stream, const std::function<void()>& call) {
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) != cudaSuccess) return {};
  call();
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream, &graph) != cudaSuccess || graph == nullptr) {
    cudaGetLastError();
    return {};
  }
  std::size_t count = 0;
  std::vector<KernelLaunch> launches;
  if (cudaGraphGetNodes(graph, nullptr, &count) == cudaSuccess) {
    std::vector<cudaGraphNode_t> nodes(count);
    if (cudaGraphGetNodes(graph, nodes.data(), &count) != cudaSuccess) nodes.clear();
    for (cudaGraphNode_t node : nodes) {
      cudaGraphNodeType type{};
      if (cudaGraphNodeGetType(node, &type) != cudaSuccess) continue;
      if (type == cudaGraphNodeTypeKernel) launches.push_back(launch_of(node));
      if (type == cudaGraphNodeTypeMemset) launches.push_back({.name = "memset"});
    }
  }
  cudaGraphDestroy(graph);
  return launches;
}

}  // namespace assay_probe
