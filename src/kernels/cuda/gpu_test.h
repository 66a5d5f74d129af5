// For the tests of this folder: a GPU or a reason to skip, random operands, and products as the CPU computes them.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/compute.h"
#include "kernels/cuda/gpu.h"
#include "kernels/packed_matrix.h"
#include "number/float16.h"

namespace assay {

// First line of every GPU test. `capability`: 80, 90 for what only Hopper has.
#define ASSAY_NEEDS_GPU(capability)                                                       \
  do {                                                                                    \
    if (const int found = gpu_capability(); found < (capability))                         \
      GTEST_SKIP() << "no CUDA GPU here of capability " << (capability) << ": " << found; \
  } while (false)

// 90 is 9.0; 0: there is no GPU, or no driver.
inline int gpu_capability() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) return 0;
  cudaDeviceProp properties = {};
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) return 0;
  return properties.major * 10 + properties.minor;
}

inline float decode16(Dtype dtype, std::uint16_t bits) {
  return dtype == Dtype::fp16 ? from_fp16(bits) : from_bf16(bits);
}
inline std::uint16_t encode16(Dtype dtype, float x) { return dtype == Dtype::fp16 ? to_fp16(x) : to_bf16(x); }

// Normal numbers of mean 0 and the given deviation, rounded to `dtype`.
inline std::vector<std::uint16_t> random16(Dtype dtype, Index count, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, deviation);
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(count));
  for (std::uint16_t& b : bits) b = encode16(dtype, normal(random));
  return bits;
}

inline std::vector<float> decoded(Dtype dtype, const std::vector<std::uint16_t>& bits) {
  std::vector<float> values;
  values.reserve(bits.size());
  for (const std::uint16_t b : bits) values.push_back(decode16(dtype, b));
  return values;
}
inline std::vector<std::uint16_t> encoded(Dtype dtype, const std::vector<float>& values) {
  std::vector<std::uint16_t> bits;
  bits.reserve(values.size());
  for (const float x : values) bits.push_back(encode16(dtype, x));
  return bits;
}

// Rows `rows` of a pass, by the CPU's kernels under `device`: x [rows.count, K], w [N, K], result [rows.count, N].
inline std::vector<std::uint16_t> cpu_product(Device device, Dtype dtype, const Schedule& schedule,
                                              RowRange rows, const std::vector<std::uint16_t>& x,
                                              const std::vector<std::uint16_t>& w, Index outputs,
                                              Index inputs) {
  static ThreadPool pool(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  const Compute compute{pool, ops_for(fastest_isa(), dtype), device};
  const std::vector<float> a = decoded(dtype, x);
  std::vector<float> out(static_cast<std::size_t>(rows.count * outputs));
  matmul(compute, schedule, rows, a.data(), pack_transposed(w, inputs, outputs, dtype), out.data());
  return encoded(dtype, out);
}

template <class T>
std::vector<T> downloaded(const DeviceBuffer<T>& buffer) {
  std::vector<T> host(buffer.size());
  buffer.download(host, nullptr);
  return host;
}

template <class T>
DeviceBuffer<T> uploaded(const std::vector<T>& host) {
  return DeviceBuffer<T>(std::span<const T>(host), nullptr);
}

// Memory that no kernel has written: every byte 0xFF, a NaN in FP16, BF16 and FP32.
template <class T>
DeviceBuffer<T> poisoned(Index size) {
  DeviceBuffer<T> buffer(static_cast<std::size_t>(size));
  check_cuda(cudaMemset(buffer.data(), 0xff, buffer.size() * sizeof(T)), "cudaMemset");
  return buffer;
}

}  // namespace assay
