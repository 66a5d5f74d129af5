// The algorithm and split of K that cuBLASLt's heuristic puts first, for every number of rows up to 8192: one line a
// range of rows with equal answers. Usage: split_sweep
#include <cstdio>
#include <iterator>

#include "gemm_run.h"

namespace assay_probe {
namespace {

struct Kind {
  const char* name;
  bool transposed;
  Dtype dtype;
  bool half_compute;
};
constexpr Kind kKinds[] = {{"fp16 TN", true, Dtype::fp16, false},
                           {"fp16 NN", false, Dtype::fp16, false},
                           {"bf16 TN", true, Dtype::bf16, false},
                           {"half NN", false, Dtype::fp16, true}};
constexpr Index kShapes[][2] = {{6144, 4096}, {4096, 4096}, {24576, 4096}, {4096, 12288}, {151936, 4096},
                                {512, 256},   {256, 256},   {2048, 256},   {256, 1024},   {4096, 256}};
constexpr Index kMostRows = 8192;

void sweep(Cublas& cublas, const Kind& kind, Index n, Index k) {
  Index first = 1;
  GemmAlgorithm last;
  for (Index m = 1; m <= kMostRows + 1; ++m) {
    GemmAlgorithm now;
    if (m <= kMostRows) now = cublas.choose({m, n, k, kind.transposed, kind.dtype, kind.half_compute});
    if (m > 1 && (now.id != last.id || now.split_k != last.split_k || now.reduction != last.reduction)) {
      std::printf("%s n=%ld k=%ld m=%ld-%ld algo %d splitk %d reduction %d\n", kind.name, n, k, first, m - 1,
                  last.id, last.split_k, last.reduction);
      first = m;
    }
    last = now;
  }
}

}  // namespace
}  // namespace assay_probe

int main() {
  assay_probe::Cublas cublas;
  std::printf("cuBLASLt %zu\n", cublasLtGetVersion());
  for (const auto& kind : assay_probe::kKinds) {
    for (const auto& shape : assay_probe::kShapes) assay_probe::sweep(cublas, kind, shape[0], shape[1]);
  }
  return 0;
}
