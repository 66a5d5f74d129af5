// CUDA from the host: failures that name their place, memory with an owner.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <source_location>
#include <span>
#include <utility>

namespace assay {

// Throws GpuFailure (kernels/gpus.h) unless `status` is success. `what` names the call: "cudaMemcpyAsync".
void throw_gpu_failure(cudaError_t status, const char* what, std::source_location where);
inline void check_cuda(cudaError_t status, const char* what,
                       std::source_location where = std::source_location::current()) {
  if (status != cudaSuccess) throw_gpu_failure(status, what, where);
}

// After every launch, with the kernel's name: throws if it could not start. What goes wrong while it runs is
// found by the next call that waits, whose message names the kernel launched last; with ASSAY_CUDA_SYNC=1 in
// the environment every launch waits, so that the message names the kernel at fault.
void check_launch(const char* kernel, cudaStream_t stream,
                  std::source_location where = std::source_location::current());

void wait(cudaStream_t stream, std::source_location where = std::source_location::current());

// `size()` elements on the current device, uninitialised; move-only. Copies are ordered on `stream` and, where
// the host side is ordinary memory, have read or written it when they return.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t size, std::source_location where = std::source_location::current())
      : size_(size) {
    if (size > 0)
      check_cuda(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)), "cudaMalloc", where);
  }
  DeviceBuffer(std::span<const T> host, cudaStream_t stream) : DeviceBuffer(host.size()) {
    upload(host, stream);
  }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

  // The first host.size() elements.
  void upload(std::span<const T> host, cudaStream_t stream,
              std::source_location where = std::source_location::current()) {
    check_cuda(cudaMemcpyAsync(data_, host.data(), host.size_bytes(), cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync", where);
  }
  void download(std::span<T> host, cudaStream_t stream,
                std::source_location where = std::source_location::current()) const {
    check_cuda(cudaMemcpyAsync(host.data(), data_, host.size_bytes(), cudaMemcpyDeviceToHost, stream),
               "cudaMemcpyAsync", where);
    wait(stream, where);
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace assay
