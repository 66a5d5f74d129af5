#include "kernels/cuda/library_chain.h"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "kernels/cuda/chain_sum.h"
#include "kernels/cuda/equal_bits.h"

namespace assay {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
constexpr int kMostCandidates = 24;
constexpr std::uint32_t kAlignment = 16;  // of operands, in bytes

void check_lt(cublasStatus_t status, const char* what,
              std::source_location where = std::source_location::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw_gpu_failure(cudaErrorUnknown, (std::string(what) + ": " + cublasLtGetStatusString(status)).c_str(),
                    where);
}

// An object of cuBLASLt with its destructor.
template <class T, cublasStatus_t (*kDestroy)(T)>
class Owned {
 public:
  explicit Owned(T object) : object_(object) {}
  ~Owned() { kDestroy(object_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T get() const { return object_; }

 private:
  T object_;
};
using Handle = Owned<cublasLtHandle_t, cublasLtDestroy>;
using Operation = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cublasLtHandle_t new_handle() {
  cublasLtHandle_t handle = nullptr;
  check_lt(cublasLtCreate(&handle), "cublasLtCreate");
  return handle;
}

cublasLtMatmulDesc_t new_operation() {
  cublasLtMatmulDesc_t operation = nullptr;
  check_lt(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  const cublasOperation_t transposed = CUBLAS_OP_T;
  check_lt(
      cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed)),
      "cublasLtMatmulDescSetAttribute");
  return operation;
}

// Column-major, its columns back to back.
cublasLtMatrixLayout_t new_layout(Dtype dtype, Index rows, Index columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  check_lt(
      cublasLtMatrixLayoutCreate(&layout, dtype == Dtype::fp16 ? CUDA_R_16F : CUDA_R_16BF,
                                 static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows),
      "cublasLtMatrixLayoutCreate");
  return layout;
}

cublasLtMatmulPreference_t new_preference() {
  cublasLtMatmulPreference_t preference = nullptr;
  check_lt(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    check_lt(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
             "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(attribute, kAlignment);
  }
  return preference;
}

bool splits(const cublasLtMatmulAlgo_t& algorithm) {
  const auto get = [&](cublasLtMatmulAlgoConfigAttributes_t attribute) {
    std::uint32_t value = 0;
    check_lt(cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), nullptr),
             "cublasLtMatmulAlgoConfigGetAttribute");
    return value;
  };
  return get(CUBLASLT_ALGO_CONFIG_SPLITK_NUM) > 1 ||
         get(CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) != CUBLASLT_REDUCTION_SCHEME_NONE;
}

// out^T = W X^T, all three column-major: W [K, N] transposed, X^T [K, M], out^T [N, M].
class Problem {
 public:
  explicit Problem(const ProductOperands& p)
      : operation_(new_operation()),
        w_(new_layout(p.dtype, p.inputs, p.outputs)),
        x_(new_layout(p.dtype, p.inputs, p.rows)),
        out_(new_layout(p.dtype, p.outputs, p.rows)) {}

  std::vector<cublasLtMatmulAlgo_t> candidates(cublasLtHandle_t handle) const {
    const Preference preference(new_preference());
    std::array<cublasLtMatmulHeuristicResult_t, kMostCandidates> results = {};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, operation_.get(), w_.get(), x_.get(), out_.get(), out_.get(),
                                       preference.get(), kMostCandidates, results.data(), &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
    std::vector<cublasLtMatmulAlgo_t> kept;
    for (int i = 0; i < found; ++i) {
      const auto& result = results[static_cast<std::size_t>(i)];
      if (result.state == CUBLAS_STATUS_SUCCESS && !splits(result.algo)) kept.push_back(result.algo);
    }
    return kept;
  }

  cublasStatus_t run(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm, const ProductOperands& p,
                     const DeviceBuffer<std::byte>& workspace, cudaStream_t stream) const {
    const float one = 1.0F;
    const float zero = 0.0F;
    return cublasLtMatmul(handle, operation_.get(), &one, p.w, w_.get(), p.x, x_.get(), &zero, p.out,
                          out_.get(), p.out, out_.get(), &algorithm, workspace.data(), workspace.size(),
                          stream);
  }

 private:
  Operation operation_;
  Layout w_;
  Layout x_;
  Layout out_;
};

// Some rows of a product as chain_sum.h computes them, to hold an algorithm to: at least 64, one in each 64, and the
// last. (What rows of a tile get differs in their values only.)
class Expected {
 public:
  Expected(const ProductOperands& p, cudaStream_t stream)
      : p_(p),
        apart_(std::clamp<Index>(p.rows / 64, 1, 64)),
        rows_(ceil_div(p.rows, apart_)),
        values_(static_cast<std::size_t>((rows_ + 1) * p.outputs)),
        unequal_(1) {
    const auto row_bytes = static_cast<std::size_t>(p.inputs) * sizeof(std::uint16_t);
    const DeviceBuffer<std::uint16_t> x(static_cast<std::size_t>((rows_ + 1) * p.inputs));
    check_cuda(
        cudaMemcpy2DAsync(x.data(), row_bytes, p.x, row_bytes * static_cast<std::size_t>(apart_), row_bytes,
                          static_cast<std::size_t>(rows_), cudaMemcpyDeviceToDevice, stream),
        "cudaMemcpy2DAsync");
    check_cuda(cudaMemcpyAsync(x.data() + rows_ * p.inputs, p.x + (p.rows - 1) * p.inputs, row_bytes,
                               cudaMemcpyDeviceToDevice, stream),
               "cudaMemcpyAsync");
    const Schedule chain{
        .orders = {{.walks = {{.first = 0, .run = p.inputs, .stride = p.inputs, .count = 1}}, .adds = {}}},
        .regions = {{.row = 0, .rows = rows_ + 1, .column = 0, .columns = p.outputs, .order = 0}}};
    ChainSumPlan plan(chain, stream);
    ProductOperands some = p;
    some.x = x.data();
    some.out = values_.data();
    some.rows = rows_ + 1;
    plan.run(some, stream);
    wait(stream);
  }

  void clear(cudaStream_t stream) const {
    const std::size_t row_bytes = static_cast<std::size_t>(p_.outputs) * sizeof(std::uint16_t);
    check_cuda(cudaMemset2DAsync(p_.out, row_bytes * static_cast<std::size_t>(apart_), 0xff, row_bytes,
                                 static_cast<std::size_t>(rows_), stream),
               "cudaMemset2DAsync");
    check_cuda(cudaMemsetAsync(last_row(), 0xff, row_bytes, stream), "cudaMemsetAsync");
    check_cuda(cudaMemsetAsync(unequal_.data(), 0, sizeof(unsigned long long), stream), "cudaMemsetAsync");
  }

  bool is_in_out(cudaStream_t stream) const {
    const Index n = p_.outputs;
    count_unequal_bits({p_.out, apart_ * n}, {values_.data(), n}, rows_, n, unequal_.data(), stream);
    count_unequal_bits({last_row(), n}, {values_.data() + rows_ * n, n}, 1, n, unequal_.data(), stream);
    unsigned long long unequal = 1;
    unequal_.download({&unequal, 1}, stream);
    return unequal == 0;
  }

 private:
  std::uint16_t* last_row() const { return p_.out + (p_.rows - 1) * p_.outputs; }

  ProductOperands p_;
  Index apart_;
  Index rows_;  // beside the last
  DeviceBuffer<std::uint16_t> values_;
  DeviceBuffer<unsigned long long> unequal_;
};

bool is_chain(const SumOrder& order, Index inputs) {
  if (order.walks.size() != 1 || order.accumulator != Accumulator::fp32) return false;
  const Walk& walk = order.walks[0];
  return walk.first == 0 && walk.run == inputs && walk.count == 1;
}

using Shape = std::tuple<Index, Index, Index, Dtype>;
Shape shape_of(const ProductOperands& p) { return {p.rows, p.outputs, p.inputs, p.dtype}; }

}  // namespace

bool supports_library_chain(const Schedule& cut, Index rows, Index outputs, Index inputs) {
  Index covered = 0;
  for (const Region& region : cut.regions) {
    if (!is_chain(cut.orders[static_cast<std::size_t>(region.order)], inputs)) return false;
    covered += region.rows * region.columns;
  }
  return covered == rows * outputs;
}

struct LibraryChain::State {
  struct Choice {
    explicit Choice(const ProductOperands& operands) : problem(operands) {}
    Problem problem;
    std::optional<cublasLtMatmulAlgo_t> algorithm;
  };
  Handle handle{new_handle()};
  DeviceBuffer<std::byte> workspace{kWorkspaceBytes};
  std::map<Shape, Choice> choices;

  std::optional<cublasLtMatmulAlgo_t> first_equal(const Problem& problem, const ProductOperands& operands,
                                                  cudaStream_t stream) const {
    const Expected expected(operands, stream);
    for (const cublasLtMatmulAlgo_t& algorithm : problem.candidates(handle.get())) {
      expected.clear(stream);
      const cublasStatus_t status = problem.run(handle.get(), algorithm, operands, workspace, stream);
      if (status == CUBLAS_STATUS_SUCCESS && expected.is_in_out(stream)) return algorithm;
    }
    return std::nullopt;
  }
};

LibraryChain::LibraryChain() : state_(std::make_unique<State>()) {}
LibraryChain::~LibraryChain() = default;
LibraryChain::LibraryChain(LibraryChain&&) noexcept = default;
LibraryChain& LibraryChain::operator=(LibraryChain&&) noexcept = default;

bool LibraryChain::prepare(const ProductOperands& operands, cudaStream_t stream) {
  const auto [choice, is_new] = state_->choices.try_emplace(shape_of(operands), operands);
  if (is_new) choice->second.algorithm = state_->first_equal(choice->second.problem, operands, stream);
  return choice->second.algorithm.has_value();
}

void LibraryChain::run(const ProductOperands& operands, cudaStream_t stream) {
  const State::Choice& choice = state_->choices.at(shape_of(operands));
  check_lt(
      choice.problem.run(state_->handle.get(), choice.algorithm.value(), operands, state_->workspace, stream),
      "cublasLtMatmul");
}

}  // namespace assay
