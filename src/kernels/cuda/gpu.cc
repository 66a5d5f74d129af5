#include "kernels/cuda/gpu.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "kernels/gpus.h"

namespace assay {
namespace {

// The kernel that this thread launched last, and from where.
struct Launched {
  const char* kernel = nullptr;
  std::source_location where;
};
thread_local Launched last_launch;

std::string place(std::source_location where) {
  const char* file = std::strstr(where.file_name(), "src/");
  return std::string(file == nullptr ? where.file_name() : file) + ":" + std::to_string(where.line());
}

bool waits_for_every_launch() {
  static const bool waits = [] {
    const char* value = std::getenv("ASSAY_CUDA_SYNC");
    return value != nullptr && std::strcmp(value, "1") == 0;
  }();
  return waits;
}

std::string describe(cudaError_t status, const char* what, std::source_location where) {
  std::string text = std::string("CUDA: ") + what + " (" + place(where) + "): " + cudaGetErrorString(status);
  if (last_launch.kernel != nullptr) {
    text += std::string("; the kernel launched last was ") + last_launch.kernel + " (" +
            place(last_launch.where) + ")";
  }
  return text;
}

}  // namespace

void throw_gpu_failure(cudaError_t status, const char* what, std::source_location where) {
  throw GpuFailure(describe(status, what, where));
}

void check_launch(const char* kernel, cudaStream_t stream, std::source_location where) {
  check_cuda(cudaGetLastError(), kernel, where);
  last_launch = {kernel, where};
  if (waits_for_every_launch()) check_cuda(cudaStreamSynchronize(stream), kernel, where);
}

void wait(cudaStream_t stream, std::source_location where) {
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize", where);
}

}  // namespace assay
