#include "gemm_run.h"

#include <cuda_fp16.h>
#include <fmt/core.h>

#include <memory>
#include <source_location>

namespace assay_probe {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // torch's on Hopper, for cuBLAS and cuBLASLt

void check_blas(cublasStatus_t status, std::source_location where = std::source_location::current()) {
  if (status != CUBLAS_STATUS_SUCCESS) throw assay::Fault(cublasGetStatusString(status), where);
}

cudaDataType_t type_of(Dtype dtype) { return dtype == Dtype::fp16 ? CUDA_R_16F : CUDA_R_16BF; }

// alpha = 1 and beta = 0 in the scale type.
struct Scales {
  float one = 1.0F;
  float zero = 0.0F;
  __half half_one = __half(__half_raw{0x3c00});
  __half half_zero = __half(__half_raw{0});

  const void* alpha(bool half) const { return half ? static_cast<const void*>(&half_one) : &one; }
  const void* beta(bool half) const { return half ? static_cast<const void*>(&half_zero) : &zero; }
};
constexpr std::uint64_t unsigned_of(Index i) { return static_cast<std::uint64_t>(i); }

template <class T, cublasStatus_t (*kDestroy)(T*)>
struct Destroy {
  void operator()(T* object) const { kDestroy(object); }
};
using MatmulDesc = std::unique_ptr<cublasLtMatmulDescOpaque_t,
                                   Destroy<cublasLtMatmulDescOpaque_t, cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t,
                               Destroy<cublasLtMatrixLayoutOpaque_t, cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                    Destroy<cublasLtMatmulPreferenceOpaque_t, cublasLtMatmulPreferenceDestroy>>;

Layout column_major(Dtype dtype, Index rows, Index columns, Index leading) {
  cublasLtMatrixLayout_t layout = nullptr;
  check_blas(
      cublasLtMatrixLayoutCreate(&layout, type_of(dtype), unsigned_of(rows), unsigned_of(columns), leading));
  return Layout(layout);
}

// In column-major terms out^T [n, m] = op(W) [n, k] * x^T [k, m].
struct Matmul {
  explicit Matmul(const GemmProblem& problem) {
    cublasLtMatmulDesc_t created = nullptr;
    check_blas(cublasLtMatmulDescCreate(&created,
                                        problem.half_compute ? CUBLAS_COMPUTE_16F : CUBLAS_COMPUTE_32F,
                                        problem.half_compute ? CUDA_R_16F : CUDA_R_32F));
    desc.reset(created);
    const cublasOperation_t op = problem.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    check_blas(cublasLtMatmulDescSetAttribute(created, CUBLASLT_MATMUL_DESC_TRANSA, &op, sizeof(op)));
    w = problem.transposed ? column_major(problem.dtype, problem.k, problem.n, problem.k)
                           : column_major(problem.dtype, problem.n, problem.k, problem.n);
    x = column_major(problem.dtype, problem.k, problem.m, problem.k);
    out = column_major(problem.dtype, problem.n, problem.m, problem.n);
  }
  MatmulDesc desc;
  Layout w;
  Layout x;
  Layout out;
};

int attribute(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t which) {
  std::int32_t value = 0;
  std::size_t written = 0;
  const bool is_short =
      which == CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID || which == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID;
  const std::size_t size = is_short ? sizeof(std::uint16_t) : sizeof(value);
  if (cublasLtMatmulAlgoConfigGetAttribute(&algorithm, which, &value, size, &written) !=
      CUBLAS_STATUS_SUCCESS) {
    return -1;
  }
  return value;
}

// What cuBLASLt's heuristic puts first.
struct Choice {
  explicit Choice(cublasLtHandle_t lt, const GemmProblem& problem) : matmul(problem) {
    cublasLtMatmulPreference_t created = nullptr;
    check_blas(cublasLtMatmulPreferenceCreate(&created));
    const Preference preference(created);
    check_blas(cublasLtMatmulPreferenceSetAttribute(created, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &kWorkspaceBytes, sizeof(kWorkspaceBytes)));
    int found = 0;
    check_blas(cublasLtMatmulAlgoGetHeuristic(lt, matmul.desc.get(), matmul.w.get(), matmul.x.get(),
                                              matmul.out.get(), matmul.out.get(), created, 1, &first, &found));
    assay::require(found == 1, "cuBLASLt has an algorithm for this product");
  }

  GemmAlgorithm attributes() const {
    const cublasLtMatmulAlgo_t& algo = first.algo;
    return {.id = attribute(algo, CUBLASLT_ALGO_CONFIG_ID),
            .tile = attribute(algo, CUBLASLT_ALGO_CONFIG_TILE_ID),
            .stages = attribute(algo, CUBLASLT_ALGO_CONFIG_STAGES_ID),
            .split_k = attribute(algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM),
            .reduction = attribute(algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME),
            .swizzle = attribute(algo, CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING),
            .custom = attribute(algo, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION),
            .inner_shape = attribute(algo, CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID),
            .cluster_shape = attribute(algo, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID),
            .workspace = first.workspaceSize,
            .waves = first.wavesCount};
  }

  Matmul matmul;
  cublasLtMatmulHeuristicResult_t first{};
};

}  // namespace

std::string GemmAlgorithm::text() const {
  return fmt::format(
      "algo {} tile {} stages {} splitk {} reduction {} swizzle {} custom {} inner {} cluster {} workspace "
      "{} "
      "waves {:.2f}",
      id, tile, stages, split_k, reduction, swizzle, custom, inner_shape, cluster_shape, workspace, waves);
}

Cublas::Cublas() : workspace_(kWorkspaceBytes) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  check_blas(cublasLtCreate(&lt_));
  check_blas(cublasCreate(&handle_));
  check_blas(cublasSetStream(handle_, stream_));
  check_blas(cublasSetWorkspace(handle_, workspace_.data(), kWorkspaceBytes));
  check_blas(cublasSetMathMode(handle_, CUBLAS_DEFAULT_MATH));  // reduced-precision reductions allowed
}

Cublas::~Cublas() {
  cublasDestroy(handle_);
  cublasLtDestroy(lt_);
  cudaStreamDestroy(stream_);
}

template <class Call>
std::vector<KernelLaunch> Cublas::launch_all(const GemmProblem& problem, Index launches,
                                             const std::uint16_t* x, std::uint16_t* out, const Call& call) {
  for (Index i = 0; i < launches; ++i) call(x + i * problem.m * problem.k, out + i * problem.m * problem.n);
  check(cudaStreamSynchronize(stream_));
  return captured_kernels(stream_, [&] { call(x, out); });
}

GemmAlgorithm Cublas::choose(const GemmProblem& problem) { return Choice(lt_, problem).attributes(); }

GemmAlgorithm Cublas::run_lt(const GemmProblem& problem, Index launches, const std::uint16_t* x,
                             const std::uint16_t* w, std::uint16_t* out, std::vector<KernelLaunch>& kernels) {
  const Choice choice(lt_, problem);
  const Matmul& matmul = choice.matmul;
  const Scales scales;
  const void* alpha = scales.alpha(problem.half_compute);
  const void* beta = scales.beta(problem.half_compute);
  const auto call = [&](const std::uint16_t* rows, std::uint16_t* sums) {
    check_blas(cublasLtMatmul(lt_, matmul.desc.get(), alpha, w, matmul.w.get(), rows, matmul.x.get(), beta,
                              sums, matmul.out.get(), sums, matmul.out.get(), &choice.first.algo,
                              workspace_.data(), kWorkspaceBytes, stream_));
  };
  kernels = launch_all(problem, launches, x, out, call);
  return choice.attributes();
}

void Cublas::run_gemm(const GemmProblem& problem, Index launches, const std::uint16_t* x,
                      const std::uint16_t* w, std::uint16_t* out, std::vector<KernelLaunch>& kernels) {
  const Scales scales;
  const auto m = static_cast<int>(problem.m);
  const auto n = static_cast<int>(problem.n);
  const auto k = static_cast<int>(problem.k);
  const cublasOperation_t op = problem.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const int leading = problem.transposed ? k : n;
  const cudaDataType_t type = type_of(problem.dtype);
  const auto call = [&](const std::uint16_t* rows, std::uint16_t* sums) {
    if (problem.half_compute) {
      check_blas(cublasHgemm(
          handle_, op, CUBLAS_OP_N, n, m, k, &scales.half_one, reinterpret_cast<const __half*>(w), leading,
          reinterpret_cast<const __half*>(rows), k, &scales.half_zero, reinterpret_cast<__half*>(sums), n));
    } else {
      check_blas(cublasGemmEx(handle_, op, CUBLAS_OP_N, n, m, k, &scales.one, w, type, leading, rows, type, k,
                              &scales.zero, sums, type, n, CUBLAS_COMPUTE_32F,
                              CUBLAS_GEMM_DEFAULT_TENSOR_OP));
    }
  };
  kernels = launch_all(problem, launches, x, out, call);
}

}  // namespace assay_probe
