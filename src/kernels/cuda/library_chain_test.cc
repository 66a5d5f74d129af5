#include "kernels/cuda/library_chain.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "kernels/cuda/chain_sum.h"
#include "kernels/cuda/equal_bits.h"
#include "kernels/cuda/gpu_test.h"
#include "kernels/recipes/dense.h"
#include "kernels/recipes/schedule_check.h"

namespace assay {
namespace {

constexpr Dtype kDtypes[] = {Dtype::fp16, Dtype::bf16};
constexpr Index kVocabulary = 151936;

// Random numbers, repeated with a period that no row length shares.
DeviceBuffer<std::uint16_t> repeated(Dtype dtype, Index count, float deviation, unsigned seed) {
  constexpr Index kPeriod = 1'048'573;
  const auto period = uploaded(random16(dtype, std::min(count, kPeriod), deviation, seed));
  DeviceBuffer<std::uint16_t> all(static_cast<std::size_t>(count));
  for (Index at = 0; at < count; at += kPeriod) {
    check_cuda(cudaMemcpyAsync(all.data() + at, period.data(),
                               static_cast<std::size_t>(std::min(kPeriod, count - at)) * 2,
                               cudaMemcpyDeviceToDevice, nullptr),
               "cudaMemcpyAsync");
  }
  wait(nullptr);
  return all;
}

template <class Body>
float milliseconds(const Body& body) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  check_cuda(cudaEventCreate(&begin), "cudaEventCreate");
  check_cuda(cudaEventCreate(&end), "cudaEventCreate");
  body();
  check_cuda(cudaEventRecord(begin, nullptr), "cudaEventRecord");
  body();
  check_cuda(cudaEventRecord(end, nullptr), "cudaEventRecord");
  wait(nullptr);
  float time = 0.0F;
  check_cuda(cudaEventElapsedTime(&time, begin, end), "cudaEventElapsedTime");
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return time;
}

// Whether the library has an algorithm; if so, every output is compared with chain_sum's. Prints what either takes.
bool runs_as_chain(LibraryChain& library, const char* name, Index rows, Index outputs, Index inputs,
                   Dtype dtype) {
  const std::string problem =
      fmt::format("{} {} x {} x {} {}", name, rows, outputs, inputs, std::string(name_of(dtype)));
  SCOPED_TRACE(problem);
  const auto x = repeated(dtype, rows * inputs, 1.0F, 1);
  const auto w = repeated(dtype, outputs * inputs, 0.05F, 2);
  const auto found = poisoned<std::uint16_t>(rows * outputs);
  const auto expected = poisoned<std::uint16_t>(rows * outputs);
  ProductOperands operands{.x = x.data(),
                           .w = w.data(),
                           .out = found.data(),
                           .rows = rows,
                           .outputs = outputs,
                           .inputs = inputs,
                           .dtype = dtype};
  const Schedule schedule =
      chain_schedule({.rows = rows, .outputs = outputs, .inputs = inputs, .dtype = dtype});
  EXPECT_TRUE(supports_library_chain(schedule, rows, outputs, inputs));
  const auto begin = std::chrono::steady_clock::now();
  const bool is_there = library.prepare(operands, nullptr);
  const std::chrono::duration<double, std::milli> choice = std::chrono::steady_clock::now() - begin;
  if (!is_there) return false;
  check_cuda(cudaMemset(found.data(), 0xff, found.size() * 2), "cudaMemset");
  const float library_time = milliseconds([&] { library.run(operands, nullptr); });
  operands.out = expected.data();
  ChainSumPlan plan(schedule, nullptr);
  const float plan_time = milliseconds([&] { plan.run(operands, nullptr); });

  const DeviceBuffer<unsigned long long> count(1);
  check_cuda(cudaMemset(count.data(), 0, 8), "cudaMemset");
  count_unequal_bits({found.data(), outputs}, {expected.data(), outputs}, rows, outputs, count.data(),
                     nullptr);
  EXPECT_EQ(downloaded(count)[0], 0U);
  const double gflop = 2e-9 * static_cast<double>(rows * outputs) * static_cast<double>(inputs);
  fmt::print(
      "{}: cuBLASLt {:.3f} ms, {:.0f} TFLOP/s, chosen in {:.1f} ms; chain_sum {:.3f} ms, {:.0f} TFLOP/s\n",
      problem, library_time, gflop / library_time, choice.count(), plan_time, gflop / plan_time);
  return true;
}

TEST(LibraryChain, OutputsOfQwen3AreThoseOfChainSum) {
  ASSAY_NEEDS_GPU(90);
  LibraryChain library;
  for (const Dtype dtype : kDtypes) {
    for (const Index rows : {8167, 2048, 300}) {
      for (const Layer& layer : kQwen3Layers)
        EXPECT_TRUE(runs_as_chain(library, layer.name, rows, layer.outputs, layer.inputs, dtype));
    }
    EXPECT_TRUE(runs_as_chain(library, "lm_head", 1024, kVocabulary, 4096, dtype));
  }
}

// Few rows and a long K, where cuBLAS would rather split K; or take other kernels than those of many rows.
TEST(LibraryChain, FewRowsAreTheChainOrRefused) {
  ASSAY_NEEDS_GPU(90);
  LibraryChain library;
  for (const Dtype dtype : kDtypes) {
    EXPECT_TRUE(runs_as_chain(library, "down", 64, 4096, 12288, dtype));
    for (const Index rows : {1, 5, 16}) {
      runs_as_chain(library, "down", rows, 4096, 12288, dtype);
      runs_as_chain(library, "tiny", rows, 256, 1024, dtype);
    }
  }
}

TEST(LibraryChain, RunsInACapturedGraph) {
  ASSAY_NEEDS_GPU(90);
  constexpr Index kRows = 100, kOutputs = 256, kInputs = 256;
  const auto x = repeated(Dtype::fp16, kRows * kInputs, 1.0F, 1);
  const auto w = repeated(Dtype::fp16, kOutputs * kInputs, 0.05F, 2);
  const auto out = poisoned<std::uint16_t>(kRows * kOutputs);
  const ProductOperands operands{x.data(), w.data(), out.data(), kRows, kOutputs, kInputs, Dtype::fp16};
  LibraryChain library;
  ASSERT_TRUE(library.prepare(operands, nullptr));
  library.run(operands, nullptr);
  const auto expected = downloaded(out);
  check_cuda(cudaMemset(out.data(), 0xff, out.size() * 2), "cudaMemset");

  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
  library.run(operands, stream);
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  cudaGraphExec_t replay = nullptr;
  check_cuda(cudaGraphInstantiate(&replay, graph, 0), "cudaGraphInstantiate");
  check_cuda(cudaGraphLaunch(replay, stream), "cudaGraphLaunch");
  wait(stream);
  EXPECT_EQ(downloaded(out), expected);
  cudaGraphExecDestroy(replay);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

TEST(LibraryChain, TakesSingleChainsOnly) {
  const LinearProblem problem{.rows = 64, .outputs = 256, .inputs = 1024};
  EXPECT_TRUE(supports_library_chain(chain_schedule(problem), 64, 256, 1024));
  EXPECT_FALSE(supports_library_chain(chain_schedule(problem), 65, 256, 1024));
  EXPECT_FALSE(supports_library_chain(split_k_schedule(problem, 2).value(), 64, 256, 1024));
  Schedule shorter = chain_schedule(problem);
  shorter.orders[0].walks[0].first = 16;
  EXPECT_FALSE(supports_library_chain(shorter, 64, 256, 1024));
}

}  // namespace
}  // namespace assay
