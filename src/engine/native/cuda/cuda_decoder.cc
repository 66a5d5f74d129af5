#include "engine/native/cuda/cuda_decoder.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "engine/native/rotary.h"
#include "kernels/cuda/row_copies.h"
#include "kernels/cuda/row_ops.h"

namespace assay {
namespace {

enum : std::size_t { kQkv, kOutput, kGateUp, kDown };
constexpr int kHeadShape = 4;  // of the output layer, after those of linears

// Whether the buffer has moved.
template <class T>
bool grow(DeviceBuffer<T>& buffer, Index elements) {
  const auto size = static_cast<std::size_t>(elements);
  if (buffer.size() >= size) return false;
  buffer = DeviceBuffer<T>();  // the old one goes first
  buffer = DeviceBuffer<T>(size);
  return true;
}

}  // namespace

CudaDecoder::CudaDecoder(const ModelConfig& config, DeviceWeights weights, const CudaArithmetic& arithmetic,
                         cudaStream_t stream)
    : config_(config),
      weights_(std::move(weights)),
      device_(arithmetic.device),
      kernel_(arithmetic.kernel),
      dtype_(arithmetic.dtype),
      stream_(stream),
      problems_(layer_problems(config, arithmetic.dtype)),
      matmul_(arithmetic.device.family, arithmetic.dtype, stream) {
  Index largest = 0;
  for (const LayerProblem& layer : problems_) {
    largest = std::max(largest, layer.problem.inputs * layer.problem.outputs);
  }
  if (config.quantization) matmul_.reserve_dequantized(largest);
  const RotaryTable rotary(config.rope_theta, config.head_dim, config.context_length, dtype_);
  const auto count = static_cast<std::size_t>(config.context_length * config.head_dim / 2);
  cosine_ = DeviceBuffer<float>(std::span(rotary.cosine(0), count), stream);
  sine_ = DeviceBuffer<float>(std::span(rotary.sine(0), count), stream);
  has_steps_ = matmul_.on_tensor_cores() && supports_attention_few_rows(attention_call(0, kMostFewRows));
  step_rows_ = DeviceBuffer<std::int32_t>(static_cast<std::size_t>(3 * kMostFewRows) +
                                          kMostFewRows * sizeof(DecodeRow) / sizeof(std::int32_t));
}

void CudaDecoder::reserve(Index capacity) {
  cache_ = DeviceBuffer<std::uint16_t>();
  hidden_ = DeviceBuffer<std::uint16_t>();
  capacity_ = capacity;
  cache_ = DeviceBuffer<std::uint16_t>(
      static_cast<std::size_t>(2 * config_.layers * config_.kv_heads * capacity * config_.head_dim));
  hidden_ = DeviceBuffer<std::uint16_t>(static_cast<std::size_t>(capacity * config_.hidden_size));
  attention_workspace_ = DeviceBuffer<std::byte>();
  graphs_.clear();
}

std::size_t CudaDecoder::working_bytes(const ModelConfig& config, Index capacity) {
  const Index rows = std::min(capacity, kBlockRows);
  const Index a_row = 3 * config.hidden_size + (2 * config.heads + 2 * config.kv_heads) * config.head_dim +
                      3 * config.intermediate_size;
  const Index a_slot = 2 * config.layers * config.kv_heads * config.head_dim + config.hidden_size;
  return static_cast<std::size_t>(2 * (rows * a_row + capacity * a_slot));
}

KvLayer CudaDecoder::cache_of(std::size_t layer) const {
  const Index part = config_.kv_heads * capacity_ * config_.head_dim;
  std::uint16_t* keys = cache_.data() + 2 * static_cast<Index>(layer) * part;
  return {keys, keys + part, config_.kv_heads, capacity_, config_.head_dim};
}

void CudaDecoder::make_room(Index rows) {
  const Index heads = config_.heads * config_.head_dim;
  Buffers& b = buffers_;
  const bool moved[] = {grow(b.residual, rows * config_.hidden_size),
                        grow(b.normed, rows * config_.hidden_size),
                        grow(b.qkv, rows * (heads + 2 * config_.kv_heads * config_.head_dim)),
                        grow(b.attended, rows * heads),
                        grow(b.gate_up, rows * 2 * config_.intermediate_size),
                        grow(b.activated, rows * config_.intermediate_size),
                        grow(b.update, rows * config_.hidden_size),
                        grow(b.tokens, rows),
                        grow(b.positions, rows)};
  if (std::find(std::begin(moved), std::end(moved), true) != std::end(moved)) graphs_.clear();
}

void CudaDecoder::forward(std::span<const std::int32_t> tokens, Index position, const Pass& pass) {
  const Index end = position + static_cast<Index>(tokens.size());
  require(pass.first <= position && end <= pass.first + pass.rows, "the tokens are rows of the pass");
  require(end <= std::min(capacity_, config_.context_length), "there are slots");
  std::vector<std::int32_t> positions;
  while (!tokens.empty()) {
    const auto rows = std::min(static_cast<Index>(tokens.size()), kBlockRows);
    make_room(rows);
    const auto some = tokens.first(static_cast<std::size_t>(rows));
    positions.resize(some.size());
    std::iota(positions.begin(), positions.end(), static_cast<std::int32_t>(position));
    buffers_.tokens.upload(some, stream_);
    buffers_.positions.upload(positions, stream_);
    const std::int32_t* at = buffers_.positions.data();
    run({rows, {pass.rows, {position - pass.first, rows}}, buffers_.tokens.data(), at, at, nullptr, position},
        hidden_.data() + position * config_.hidden_size);
    position += rows;
    tokens = tokens.subspan(some.size());
  }
}

// attention_few_rows wants zeros wherever the shape of its work has changed.
void CudaDecoder::clear_workspace(Index rows) {
  const auto bytes = attention_few_rows_workspace(kMostFewRows, config_.heads, config_.head_dim, capacity_);
  if (!grow(attention_workspace_, static_cast<Index>(bytes)) && workspace_rows_ == rows) return;
  check_cuda(cudaMemsetAsync(attention_workspace_.data(), 0, bytes, stream_), "cudaMemsetAsync");
  workspace_rows_ = rows;
}

void CudaDecoder::step(std::span<const Step> steps) {
  const auto rows = static_cast<Index>(steps.size());
  require(has_steps_ && rows >= 1 && rows <= kMostFewRows, "a few rows at one time");
  make_room(rows);
  clear_workspace(rows);
  std::vector<std::int32_t> words(step_rows_.size());
  const auto put = [&](Index part, std::size_t i, std::int32_t word) {
    words[static_cast<std::size_t>(part * kMostFewRows) + i] = word;
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const std::int32_t slot = step.position < step.shared ? step.position : step.position + step.shift;
    require(slot < capacity_ && step.position < config_.context_length, "there is a slot");
    put(0, i, step.token);
    put(1, i, step.position);
    put(2, i, slot);
    const DecodeRow row{step.position, step.shared, step.shift};
    std::memcpy(words.data() + 3 * kMostFewRows + 3 * i, &row, sizeof row);
  }
  step_rows_.upload(words, stream_);
  const std::int32_t* w = step_rows_.data();
  const Block block{rows,
                    {1, {0, rows}, true},
                    w,
                    w + kMostFewRows,
                    w + 2 * kMostFewRows,
                    reinterpret_cast<const DecodeRow*>(w + 3 * kMostFewRows),
                    0};
  if (matmul_.times_cleared() != times_cleared_) graphs_.clear();
  times_cleared_ = matmul_.times_cleared();
  graphs_.run(rows, stream_, [&] {
    run(block, buffers_.normed.data());
    scatter_rows(buffers_.normed.data(), block.slots, rows, config_.hidden_size, hidden_.data(), stream_);
  });
}

void CudaDecoder::run(const Block& block, std::uint16_t* hidden) {
  const Index h = config_.hidden_size;
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  Buffers& b = buffers_;
  embed(dtype_, block.tokens, block.rows, h, weights_.embedding.data(), b.residual.data(), stream_);
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    const std::uint16_t* norm = weights_.layers[i].input_norm.data();
    if (i == 0) {
      rms_norm(dtype_, b.residual.data(), norm, block.rows, h, eps, b.normed.data(), stream_);
    } else {
      add_rms_norm(dtype_, b.update.data(), b.residual.data(), norm, block.rows, h, eps, b.normed.data(),
                   stream_);
    }
    attention_block(i, block);
    add_rms_norm(dtype_, b.update.data(), b.residual.data(), weights_.layers[i].post_attention_norm.data(),
                 block.rows, h, eps, b.normed.data(), stream_);
    mlp_block(i, block);
  }
  add_rms_norm(dtype_, b.update.data(), b.residual.data(), weights_.final_norm.data(), block.rows, h, eps,
               hidden, stream_);
}

void CudaDecoder::attention_block(std::size_t layer, const Block& block) {
  Buffers& b = buffers_;
  apply(layer, kQkv, block, b.normed.data(), b.qkv.data());
  const DeviceLayer& weights = weights_.layers[layer];
  const Rotation rotation{.heads = config_.heads,
                          .query_norm = weights.query_norm.data(),
                          .key_norm = weights.key_norm.data(),
                          .eps = static_cast<float>(config_.rms_norm_eps),
                          .cosine = cosine_.data(),
                          .sine = sine_.data(),
                          .positions = block.positions,
                          .slots = block.slots};
  rotate_and_store(dtype_, rotation, b.qkv.data(), block.rows, cache_of(layer), stream_);
  attend(layer, block);
  apply(layer, kOutput, block, b.attended.data(), b.update.data());
}

AttentionCall CudaDecoder::attention_call(std::size_t layer, Index rows) const {
  return {.dtype = dtype_,
          .q = buffers_.qkv.data(),
          .q_stride = (config_.heads + 2 * config_.kv_heads) * config_.head_dim,
          .rows = rows,
          .heads = config_.heads,
          .kv = cache_of(layer),
          .out = buffers_.attended.data()};
}

void CudaDecoder::attend(std::size_t layer, const Block& block) {
  const AttentionCall call = attention_call(layer, block.rows);
  if (block.steps != nullptr) {
    attention_few_rows(call, block.steps, capacity_, attention_workspace_.data(), stream_);
  } else if (matmul_.on_tensor_cores() && supports_attention_prefill(call)) {
    attention_prefill(call, block.first_position, stream_);
  } else {
    attention_plain(call, device_.family, block.first_position, stream_);
  }
}

void CudaDecoder::mlp_block(std::size_t layer, const Block& block) {
  Buffers& b = buffers_;
  apply(layer, kGateUp, block, b.normed.data(), b.gate_up.data());
  silu_mul(dtype_, b.gate_up.data(), block.rows, config_.intermediate_size, b.activated.data(), stream_);
  apply(layer, kDown, block, b.activated.data(), b.update.data());
}

void CudaDecoder::apply(std::size_t layer, std::size_t which, const Block& block, const std::uint16_t* x,
                        std::uint16_t* out) {
  const DeviceLinear& linear = weights_.layers[layer].linears[which];
  if (linear.input_order.size() > 0) {
    grow(buffers_.gathered, block.rows * linear.inputs);
    gather_columns(x, linear.input_order.data(), block.rows, linear.inputs, buffers_.gathered.data(),
                   stream_);
    x = buffers_.gathered.data();
  }
  const auto schedule = [&](Index pass_rows) {
    LinearProblem problem = problems_[which].problem;
    problem.rows = pass_rows;
    return schedule_for(kernel_, problem, device_).value();
  };
  matmul_.run(static_cast<int>(which), block.product, schedule, x, {linear.dense.data(), linear.int4.view()},
              linear.outputs, linear.inputs, out);
  if (linear.output_scale.size() > 0) {
    scale_columns(dtype_, linear.output_scale.data(), block.rows, linear.outputs, out, stream_);
  }
  if (linear.bias.size() > 0)
    add_columns(dtype_, linear.bias.data(), block.rows, linear.outputs, out, stream_);
}

void CudaDecoder::copy_hidden(Index from, Index to, Index count) {
  if (from == to) return;
  const Index h = config_.hidden_size;
  check_cuda(cudaMemcpyAsync(hidden_.data() + to * h, hidden_.data() + from * h,
                             static_cast<std::size_t>(2 * count * h), cudaMemcpyDeviceToDevice, stream_),
             "cudaMemcpyAsync");
}

const std::uint16_t* CudaDecoder::logits(std::span<const std::int32_t> slots) {
  const auto rows = static_cast<Index>(slots.size());
  require(rows <= kLogitsRows, "few enough rows of logits");
  make_room(rows);
  if (grow(buffers_.gate_up, rows * config_.vocabulary_size)) graphs_.clear();  // not in use between passes
  buffers_.positions.upload(slots, stream_);
  gather_rows(hidden_.data(), buffers_.positions.data(), rows, config_.hidden_size, buffers_.normed.data(),
              stream_);
  const auto schedule = [&](Index pass_rows) {
    const LinearProblem problem{.rows = pass_rows,
                                .outputs = config_.vocabulary_size,
                                .inputs = config_.hidden_size,
                                .dtype = dtype_};
    return schedule_for(KernelChoice{}, problem, device_).value();
  };
  matmul_.run(kHeadShape, {rows, {0, rows}}, schedule, buffers_.normed.data(), {weights_.head(), {}},
              config_.vocabulary_size, config_.hidden_size, buffers_.gate_up.data());
  return buffers_.gate_up.data();
}

}  // namespace assay
