#include "kernels/gpus.h"

#include "emulator/arithmetic.h"
#include "kernels/cuda/gpu.h"

namespace assay {
namespace {

Gpu describe(int device) {
  cudaDeviceProp properties = {};
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return {.name = properties.name,
          .capability = properties.major * 10 + properties.minor,
          .sm_count = properties.multiProcessorCount,
          .memory = properties.totalGlobalMem,
          .free_memory = 0};
}

}  // namespace

bool has_cuda() { return true; }

GpuList list_gpus() {
  GpuList list;
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    list.reason = cudaGetErrorString(status);
    cudaGetLastError();  // it is no failure of a later call
    return list;
  }
  if (count == 0) list.reason = "no CUDA device";
  for (int device = 0; device < count; ++device) list.gpus.push_back(describe(device));
  return list;
}

Gpu current_gpu() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  Gpu gpu = describe(device);
  check_cuda(cudaMemGetInfo(&gpu.free_memory, &gpu.memory), "cudaMemGetInfo");
  return gpu;
}

std::optional<Family> family_of_capability(int capability) {
  switch (capability) {
    case 80:
    case 86:
      return Family::ampere;
    case 89:
      return Family::ada;
    case 90:
      return Family::hopper;
    default:
      return std::nullopt;
  }
}

bool gpu_has_arithmetic(const Gpu& gpu, Family family, Dtype dtype) {
  const auto own = family_of_capability(gpu.capability);
  const Operand operand = operand_of(dtype);
  const auto asked = dot_arithmetic(family, operand);
  return own && asked && dot_arithmetic(*own, operand) == asked;
}

}  // namespace assay
