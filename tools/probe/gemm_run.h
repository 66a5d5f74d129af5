// One matrix product through cuBLASLt as its heuristic chooses, and through cuBLAS as PyTorch calls it.
#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/index.h"
#include "cuda_check.h"
#include "kernel_names.h"
#include "number/dtype.h"

namespace assay_probe {

using assay::Dtype;
using assay::Index;

// out [m, n] = x [m, k] times W, all row-major, in `dtype`.
struct GemmProblem {
  Index m = 0;
  Index n = 0;
  Index k = 0;
  bool transposed = true;     // "TN": W is [n, k], torch's linear; else "NN": W is [k, n]
  Dtype dtype = Dtype::fp16;  // or bf16
  bool half_compute = false;  // CUBLAS_COMPUTE_16F; else CUBLAS_COMPUTE_32F

  std::string_view layout() const { return transposed ? "TN" : "NN"; }
};

struct GemmAlgorithm {
  int id = 0;
  int tile = 0;    // cublasLtMatmulTile_t
  int stages = 0;  // cublasLtMatmulStages_t
  int split_k = 0;
  int reduction = 0;  // cublasLtReductionScheme_t: 0 none, 1 in place, 2 compute type, 4 output type
  int swizzle = 0;
  int custom = 0;
  int inner_shape = 0;
  int cluster_shape = 0;
  std::size_t workspace = 0;
  float waves = 0;

  std::string text() const;
};

class Cublas {
 public:
  Cublas();
  ~Cublas();
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  // What the heuristic puts first; runs nothing.
  GemmAlgorithm choose(const GemmProblem& problem);

  // The product by the heuristic's first algorithm, on `launches` successive blocks of m rows of x and of
  // out; `kernels` are those of one launch. Waits.
  GemmAlgorithm run_lt(const GemmProblem& problem, Index launches, const std::uint16_t* x,
                       const std::uint16_t* w, std::uint16_t* out, std::vector<KernelLaunch>& kernels);
  // By cublasGemmEx with torch's defaults, or cublasHgemm where half_compute.
  void run_gemm(const GemmProblem& problem, Index launches, const std::uint16_t* x, const std::uint16_t* w,
                std::uint16_t* out, std::vector<KernelLaunch>& kernels);

 private:
  // Runs `call` with the x and out of each launch, then captures its kernels.
  template <class Call>
  std::vector<KernelLaunch> launch_all(const GemmProblem& problem, Index launches, const std::uint16_t* x,
                                       std::uint16_t* out, const Call& call);

  cudaStream_t stream_ = nullptr;
  cublasLtHandle_t lt_ = nullptr;
  cublasHandle_t handle_ = nullptr;
  DeviceArray<char> workspace_;
};

}  // namespace assay_probe
