#include "gemm_kernels.h"

#define ASSAY_PROBE_HD __host__ __device__
#include "inputs.h"

namespace assay_probe {
namespace {

__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t index_step() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

__global__ void activations(std::uint16_t* x, bool bf16, std::uint64_t seed, std::int64_t rows,
                            std::int64_t inputs) {
  for (std::int64_t i = first_index(); i < rows * inputs; i += index_step()) {
    const auto row = static_cast<std::uint64_t>(i / inputs);
    const auto k = static_cast<std::uint64_t>(i % inputs);
    const auto width = static_cast<std::uint64_t>(inputs);
    x[i] = bf16 ? activation_bf16(seed, row, k, width) : activation(seed, row, k, width);
  }
}

__global__ void weights(std::uint16_t* w, bool bf16, bool transposed, std::uint64_t seed, std::int64_t inputs,
                        std::int64_t outputs) {
  for (std::int64_t i = first_index(); i < inputs * outputs; i += index_step()) {
    const auto k = static_cast<std::uint64_t>(transposed ? i % inputs : i / outputs);
    const auto n = static_cast<std::uint64_t>(transposed ? i / inputs : i % outputs);
    const auto width = static_cast<std::uint64_t>(outputs);
    w[i] = bf16 ? dense_weight_bf16(seed, k, n, width) : dense_weight(seed, k, n, width);
  }
}

__global__ void pick_positions(const std::uint16_t* all, const std::int64_t* positions, std::uint16_t* picked,
                               std::int64_t count) {
  for (std::int64_t i = first_index(); i < count; i += index_step()) picked[i] = all[positions[i]];
}

constexpr int kBlocks = 132 * 8;
constexpr int kThreads = 256;

}  // namespace

cudaError_t fill_activations(std::uint16_t* x, bool bf16, std::uint64_t seed, std::int64_t rows,
                             std::int64_t inputs) {
  activations<<<kBlocks, kThreads>>>(x, bf16, seed, rows, inputs);
  return cudaGetLastError();
}

cudaError_t fill_weights(std::uint16_t* w, bool bf16, bool transposed, std::uint64_t seed,
                         std::int64_t inputs, std::int64_t outputs) {
  weights<<<kBlocks, kThreads>>>(w, bf16, transposed, seed, inputs, outputs);
  return cudaGetLastError();
}

cudaError_t pick(const std::uint16_t* all, const std::int64_t* positions, std::uint16_t* picked,
                 std::int64_t count) {
  pick_positions<<<kBlocks, kThreads>>>(all, positions, picked, count);
  return cudaGetLastError();
}

}  // namespace assay_probe
