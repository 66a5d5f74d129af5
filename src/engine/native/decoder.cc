#include "engine/native/decoder.h"

#include <algorithm>

#include "base/error.h"
#include "base/splitmix.h"
#include "kernels/attention.h"
#include "number/float16.h"

namespace assay {
namespace {

std::vector<float> buffer(Index rows, Index columns) {
  return std::vector<float>(static_cast<std::size_t>(rows * columns));
}

}  // namespace

// Activations of one pass, [rows, ...].
struct Decoder::Buffers {
  Buffers(const ModelConfig& c, Index rows)
      : residual(buffer(rows, c.hidden_size)),
        normed(buffer(rows, c.hidden_size)),
        qkv(buffer(rows, (c.heads + 2 * c.kv_heads) * c.head_dim)),
        attended(buffer(rows, c.heads * c.head_dim)),
        gate_up(buffer(rows, 2 * c.intermediate_size)),
        activated(buffer(rows, c.intermediate_size)),
        update(buffer(rows, c.hidden_size)) {}
  std::vector<float> residual, normed, qkv, attended, gate_up, activated, update;
};

void DecoderState::keep(Index count, Index hidden_size) {
  tokens.resize(static_cast<std::size_t>(count));
  hidden.resize(static_cast<std::size_t>(count * hidden_size));
  while (!passes.empty() && passes.back().first >= count) passes.pop_back();
}

Decoder::Decoder(const ModelConfig& config, const DecoderWeights& weights, const Compute& compute,
                 const KernelChoice& kernel)
    : config_(config),
      weights_(weights),
      compute_(compute),
      product_(kernel, compute),
      head_product_(KernelChoice{}, compute),
      rotary_(config.rope_theta, config.head_dim, config.context_length, compute.ops.dtype) {}

DecoderState Decoder::reserve(Index capacity) const {
  DecoderState state;
  for (Index i = 0; i < config_.layers; ++i) {
    state.layers.emplace_back(config_.kv_heads, config_.head_dim, capacity, compute_.ops.dtype);
  }
  return state;
}

void Decoder::forward(std::span<const std::int32_t> tokens, const Pass& pass, DecoderState& state) {
  const auto position = static_cast<Index>(state.tokens.size());
  const Index end = position + static_cast<Index>(tokens.size());
  require(pass.first <= position && end <= pass.first + pass.rows, "the tokens are rows of the pass");
  require(end <= std::min(state.layers.at(0).capacity(), rotary_.positions()), "the state has room");
  if (state.passes.empty() || state.passes.back() != pass) state.passes.push_back(pass);
  while (!tokens.empty()) {
    const std::size_t count = std::min(tokens.size(), static_cast<std::size_t>(kBlockRows));
    block(tokens.first(count), pass, state);
    tokens = tokens.subspan(count);
  }
}

void Decoder::block(std::span<const std::int32_t> tokens, const Pass& pass, DecoderState& state) {
  const auto position = static_cast<Index>(state.tokens.size());
  const auto rows = static_cast<Index>(tokens.size());
  Place place{position, {position - pass.first, rows}, pass.rows, 0};
  const std::uint64_t noise = seed_of_part(state.noise_seed, static_cast<std::uint64_t>(pass.first));
  Buffers buffers(config_, rows);
  embed(tokens, buffers.residual.data());
  if (probe_) probe_(0, buffers.residual.data(), rows);
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    place.noise = seed_of_part(noise, i);
    attention_block(weights_.layers[i], place, state.layers[i], buffers);
    mlp_block(weights_.layers[i], place, buffers);
    if (probe_) probe_(static_cast<Index>(i) + 1, buffers.residual.data(), rows);
  }
  const std::size_t known = state.hidden.size();
  state.hidden.resize(known + static_cast<std::size_t>(rows * config_.hidden_size));
  normalize(weights_.final_norm, buffers.residual.data(), rows, state.hidden.data() + known);
  state.tokens.insert(state.tokens.end(), tokens.begin(), tokens.end());
}

void Decoder::embed(std::span<const std::int32_t> tokens, float* residual) const {
  for (const std::int32_t token : tokens) {
    require(token >= 0 && token < config_.vocabulary_size, "token ids lie in the vocabulary");
    const std::uint16_t* row = weights_.embedding.data() + token * config_.hidden_size;
    for (Index i = 0; i < config_.hidden_size; ++i) {
      *residual++ = compute_.ops.dtype == Dtype::fp16 ? from_fp16(row[i]) : from_bf16(row[i]);
    }
  }
}

void Decoder::attention_block(const DecoderLayer& layer, const Place& place, KvCache& cache,
                              Buffers& buffers) {
  const Index rows = place.rows.count;
  const Index width = (config_.heads + 2 * config_.kv_heads) * config_.head_dim;
  normalize(layer.input_norm, buffers.residual.data(), rows, buffers.normed.data());
  apply(layer.qkv, Product::qkv, place, buffers.normed.data(), buffers.qkv.data());
  for_each_row(compute_, rows, [&](Index row) {
    rotate_and_store(layer, place.position + row, buffers.qkv.data() + row * width, cache);
  });
  attention(compute_, buffers.qkv.data(), width, rows, place.position, config_.heads, cache,
            buffers.attended.data());
  apply(layer.output, Product::output, place, buffers.attended.data(), buffers.update.data());
  add_to(buffers.update, rows, buffers.residual);
}

// q/k norm and rotation of one token's heads in place; its keys and values go into the cache.
void Decoder::rotate_and_store(const DecoderLayer& layer, Index position, float* qkv, KvCache& cache) const {
  const Index d = config_.head_dim;
  const Index rotated = config_.heads + config_.kv_heads;
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  for (Index head = 0; head < rotated; ++head) {
    float* x = qkv + head * d;
    if (config_.has_qk_norm) {
      const std::vector<float>& weight = head < config_.heads ? layer.query_norm : layer.key_norm;
      compute_.ops.rms_norm(x, weight.data(), d, eps, x);
    }
    compute_.ops.rope(x, rotary_.cosine(position), rotary_.sine(position), d / 2);
  }
  for (Index head = 0; head < config_.kv_heads; ++head) {
    cache.store(position, head, qkv + (config_.heads + head) * d, qkv + (rotated + head) * d);
  }
}

void Decoder::mlp_block(const DecoderLayer& layer, const Place& place, Buffers& buffers) {
  const Index rows = place.rows.count;
  const Index inner = config_.intermediate_size;
  normalize(layer.post_attention_norm, buffers.residual.data(), rows, buffers.normed.data());
  apply(layer.gate_up, Product::gate_up, place, buffers.normed.data(), buffers.gate_up.data());
  for_each_row(compute_, rows, [&](Index row) {
    const float* gate = buffers.gate_up.data() + row * 2 * inner;
    compute_.ops.silu_mul(gate, gate + inner, inner, buffers.activated.data() + row * inner);
  });
  apply(layer.down, Product::down, place, buffers.activated.data(), buffers.update.data());
  add_to(buffers.update, rows, buffers.residual);
}

void Decoder::normalize(const std::vector<float>& weight, const float* x, Index rows, float* out) const {
  const Index n = config_.hidden_size;
  const auto eps = static_cast<float>(config_.rms_norm_eps);
  for_each_row(compute_, rows,
               [&](Index row) { compute_.ops.rms_norm(x + row * n, weight.data(), n, eps, out + row * n); });
}

void Decoder::apply(const Linear& linear, Product which, const Place& place, const float* x, float* out) {
  product_.run(linear, place.pass_rows, place.rows, x, out,
               seed_of_part(place.noise, static_cast<std::uint64_t>(which)));
}

void Decoder::add_to(const std::vector<float>& update, Index rows, std::vector<float>& residual) const {
  const Index n = config_.hidden_size;
  for_each_row(compute_, rows, [&](Index row) {
    float* x = residual.data() + row * n;
    compute_.ops.add(update.data() + row * n, x, n, x);
  });
}

void Decoder::logits(const float* hidden, Index rows, float* out) {
  head_product_.run(weights_.lm_head, rows, {0, rows}, hidden, out);
}

}  // namespace assay
