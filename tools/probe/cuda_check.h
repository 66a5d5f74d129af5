// CUDA calls that must not fail, and device memory with an owner.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <source_location>
#include <span>
#include <string>

#include "base/error.h"

namespace assay_probe {

// Throws assay::Fault naming the caller's line, unless `status` is success.
inline void check(cudaError_t status, std::source_location where = std::source_location::current()) {
  if (status != cudaSuccess) throw assay::Fault(cudaGetErrorString(status), where);
}

// `size()` elements on the current device, uninitialised. Copies are synchronous.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t size) : size_(size) {
    check(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)));
  }
  explicit DeviceArray(std::span<const T> host) : DeviceArray(host.size()) { upload(host); }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  void upload(std::span<const T> host) {
    check(cudaMemcpy(data_, host.data(), host.size_bytes(), cudaMemcpyHostToDevice));
  }
  void download(std::span<T> host) const {
    check(cudaMemcpy(host.data(), data_, host.size_bytes(), cudaMemcpyDeviceToHost));
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace assay_probe
