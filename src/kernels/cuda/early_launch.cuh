// Programmatic dependent launch: a kernel may begin while the one launched before it runs, so that what it does first
// (it reads weights, fills shared memory) costs no time. GPUs before Hopper run such kernels one after another.
//
// Every kernel that is launched so waits before it reads what earlier kernels write and before it writes: whoever waits
// has all kernels before it behind it, as the one directly before it has waited too.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "kernels/cuda/gpu.h"

namespace assay {

__device__ __forceinline__ void wait_for_earlier_kernels() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The next kernel's blocks come as soon as all blocks of this one have said so, or ended, and there is room for them.
__device__ __forceinline__ void let_later_kernels_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

struct EarlyLaunch {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes;
  cudaStream_t stream;
};

template <class... Parameters, class... Arguments>
void launch_early(void (*kernel)(Parameters...), const char* name, const EarlyLaunch& launch,
                  Arguments&&... arguments) {
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = launch.blocks;
  config.blockDim = launch.threads;
  config.dynamicSmemBytes = launch.shared_bytes;
  config.stream = launch.stream;
  config.attrs = &early;
  config.numAttrs = 1;
  check_cuda(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name);
  check_launch(name, launch.stream);
}

}  // namespace assay
