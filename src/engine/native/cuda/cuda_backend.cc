#include "engine/native/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/native/cuda/cuda_decoder.h"
#include "engine/native/cuda/score_reader.h"
#include "engine/native/cuda_shapes.h"
#include "engine/native/score_logits.h"
#include "kernels/cuda/token_scores.h"
#include "kernels/gpus.h"
#include "kernels/ops.h"
#include "number/float16.h"

namespace assay {
namespace {

// A CUDA stream with an owner.
class Stream {
 public:
  Stream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class CudaBackend : public DecoderBackend {
 public:
  CudaBackend(const CudaOpening& opening, DeviceWeights weights, std::unique_ptr<Stream> stream,
              ThreadPool& pool)
      : model_(opening.model),
        config_(opening.config),
        dtype_(opening.dtype),
        pool_(pool),
        stream_(std::move(stream)),
        decoder_(config_, std::move(weights), {opening.device, opening.kernel, opening.dtype},
                 stream_->get()) {}

  Index capacity() const override { return decoder_.capacity(); }
  void reserve(Index capacity) override { decoder_.reserve(capacity); }

  void forward(std::span<const std::int32_t> tokens, Index position, const Pass& pass,
               std::uint64_t) override {
    if (pass.rows > 1 || !decoder_.has_steps()) return decoder_.forward(tokens, position, pass);
    const auto everything = static_cast<std::int32_t>(decoder_.capacity());
    decoder_.step({{{tokens[0], static_cast<std::int32_t>(position), everything, 0}}});
  }

  Index most_branches() const override { return decoder_.has_steps() ? kMostFewRows : 1; }

  void forward_branches(Index position, std::span<const std::span<const std::int32_t>> branches) override {
    std::size_t longest = 0;
    for (const auto& tokens : branches) longest = std::max(longest, tokens.size());
    branches_ = {position, static_cast<Index>(longest)};
    for (std::size_t at = 0; at < longest; ++at) {
      std::vector<CudaDecoder::Step> steps;
      for (std::size_t i = 0; i < branches.size(); ++i) {
        if (at >= branches[i].size()) continue;
        steps.push_back({branches[i][at], static_cast<std::int32_t>(position) + static_cast<std::int32_t>(at),
                         static_cast<std::int32_t>(position), static_cast<std::int32_t>(i * longest)});
      }
      decoder_.step(steps);
    }
  }

  void select_branch(Index branch) override {
    decoder_.copy_hidden(branches_.position + branch * branches_.longest, branches_.position,
                         branches_.longest);
  }

  Result<void> visit_logits(std::span<const Index> positions, const Visit& visit) override {
    constexpr std::size_t kRows = 64;  // in host memory at one time
    const auto vocabulary = static_cast<std::size_t>(config_.vocabulary_size);
    std::vector<std::uint16_t> bits(std::min(kRows, positions.size()) * vocabulary);
    for (std::size_t start = 0; start < positions.size(); start += kRows) {
      const auto some = positions.subspan(start, std::min(kRows, positions.size() - start));
      std::vector<std::int32_t> slots;
      for (const Index position : some) slots.push_back(static_cast<std::int32_t>(position - 1));
      const std::uint16_t* logits = decoder_.logits(slots);
      check_cuda(cudaMemcpyAsync(bits.data(), logits, some.size() * vocabulary * 2, cudaMemcpyDeviceToHost,
                                 stream_->get()),
                 "cudaMemcpyAsync");
      wait(stream_->get());
      std::vector<std::optional<Error>> errors(some.size());
      pool_.parallel_for(static_cast<Index>(some.size()), [&](Index i) {
        const auto at = static_cast<std::size_t>(i);
        const std::vector<float> row = decode(std::span(bits).subspan(at * vocabulary, vocabulary));
        errors[at] = check_finite(row, some[at]);
        if (!errors[at]) visit(start + at, row);
      });
      for (const auto& error : errors) {
        if (error) return *error;
      }
    }
    return {};
  }

  Result<std::vector<PositionScores>> score(std::span<const AskedPosition> asked) override {
    const bool few = std::all_of(asked.begin(), asked.end(),
                                 [](const AskedPosition& want) { return want.top_k <= kMostTopTokens; });
    if (!few) return score_by_visiting(*this, ops_for(fastest_isa(), dtype_), asked);
    return reader_.read(decoder_, asked, {model_, config_.vocabulary_size, dtype_, stream_->get(), pool_});
  }

  Environment describe() const override {
    const Gpu gpu = current_gpu();
    return {{"processor", "cuda"},
            {"gpu", gpu.name},
            {"tensor_cores", decoder_.on_tensor_cores() ? "yes" : "no"},
            {"isa", std::string(name_of(fastest_isa()))}};  // of what reads logits on the host
  }

 private:
  std::vector<float> decode(std::span<const std::uint16_t> bits) const {
    std::vector<float> row(bits.size());
    for (std::size_t i = 0; i < bits.size(); ++i) {
      row[i] = dtype_ == Dtype::fp16 ? from_fp16(bits[i]) : from_bf16(bits[i]);
    }
    return row;
  }

  std::optional<Error> check_finite(const std::vector<float>& row, Index position) const {
    for (const float x : row) {
      if (!std::isfinite(x)) {
        return Error{model_, fmt::format("logits of position {}", position), "finite values",
                     std::to_string(x)};
      }
    }
    return std::nullopt;
  }

  std::string model_;
  ModelConfig config_;
  Dtype dtype_;
  ThreadPool& pool_;
  std::unique_ptr<Stream> stream_;
  CudaDecoder decoder_;
  ScoreReader reader_;
  // Branch i lies in slots position + i longest and on.
  struct {
    Index position;
    Index longest;
  } branches_ = {};
};

constexpr std::size_t kMargin = std::size_t{512} << 20;  // workspaces of the kernels and of cuBLASLt

std::string gigabytes(std::size_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) * 1e-9);
}

}  // namespace

std::optional<Error> cuda_refusal(const ModelConfig& config, const KernelChoice& kernel,
                                  const DeviceSpec& device, Dtype dtype) {
  const GpuList list = list_gpus();
  if (list.gpus.empty()) return Error{"", "processor", "cpu: no CUDA device here: " + list.reason, "cuda"};
  const Gpu gpu = current_gpu();
  if (!family_of_capability(gpu.capability)) {
    return Error{"", "processor", "a GPU of compute capability 8.0, 8.6, 8.9 or 9.0",
                 fmt::format("{} ({}.{})", gpu.name, gpu.capability / 10, gpu.capability % 10)};
  }
  const bool emulates = gpu.capability == 90 || !is_gpu(device.device);
  if (!emulates && !gpu_has_arithmetic(gpu, device.family, dtype)) {
    return Error{"", "processor",
                 fmt::format("cpu, or a GPU of compute capability 9.0 to emulate {}", device.name), gpu.name};
  }
  if (kernel.kernel == KernelName::exllama) {
    return Error{"", "processor", "cpu: kernel exllama has no CUDA form", "cuda"};
  }
  return outside_cuda_kernels(config);
}

Result<std::unique_ptr<DecoderBackend>> open_cuda_backend(const CudaOpening& opening, const Weights& files,
                                                          ThreadPool& pool) {
  // What a run of 8192 tokens takes; of a shorter context, all of it.
  const std::size_t needed =
      device_bytes(opening.config) + kMargin +
      CudaDecoder::working_bytes(opening.config, std::min<Index>(opening.config.context_length, 8192));
  if (const Gpu gpu = current_gpu(); gpu.free_memory < needed) {
    return Error{opening.model, "device memory", gigabytes(needed) + " free on " + gpu.name,
                 gigabytes(gpu.free_memory)};
  }
  auto stream = std::make_unique<Stream>();
  auto weights = load_device_weights(files, opening.config, opening.dtype, opening.form, pool, stream->get());
  if (!weights) return weights.error();
  return std::unique_ptr<DecoderBackend>(
      std::make_unique<CudaBackend>(opening, *std::move(weights), std::move(stream), pool));
}

}  // namespace assay
