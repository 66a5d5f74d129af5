// The forward pass: token ids to hidden states and logits, under one setup's arithmetic.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/index.h"
#include "checkpoint/config.h"
#include "engine/native/decoder_weights.h"
#include "engine/native/rotary.h"
#include "kernels/compute.h"
#include "kernels/kv_cache.h"

namespace assay {

// Keys and values of every layer for the tokens seen so far. Reserving clears it.
struct DecoderState {
  std::vector<std::int32_t> tokens;
  std::vector<KvCache> layers;
};

// Holds references: `config`, `weights` and what `compute` refers to must outlive it. One call at a time.
class Decoder {
 public:
  Decoder(const ModelConfig& config, const DecoderWeights& weights, const Compute& compute);

  // An empty state with room for `capacity` tokens.
  DecoderState reserve(Index capacity) const;

  // Appends `tokens` to the state and writes their final hidden states (after the last norm) to hidden
  // [tokens, H]. Passes longer than kPassTokens are cut; cuts change no bit. Fault: no room, or an id outside
  // the vocabulary.
  void forward(std::span<const std::int32_t> tokens, DecoderState& state, float* hidden) const;

  // logits [rows, vocabulary], rounded to the activation type, of final hidden states [rows, H].
  void logits(const float* hidden, Index rows, float* out) const;

  // Called with (layer, residual stream [rows, H]) after the embedding (layer 0) and after each layer; for
  // tests.
  using Probe = std::function<void(Index layer, const float* residual, Index rows)>;
  void set_probe(Probe probe) { probe_ = std::move(probe); }

  static constexpr Index kPassTokens = 512;

 private:
  struct Buffers;
  void pass(std::span<const std::int32_t> tokens, DecoderState& state, float* hidden) const;
  void embed(std::span<const std::int32_t> tokens, float* residual) const;
  void attention_block(const DecoderLayer& layer, Index first, Index rows, KvCache& cache,
                       Buffers& buffers) const;
  void rotate_and_store(const DecoderLayer& layer, Index position, float* qkv, KvCache& cache) const;
  void mlp_block(const DecoderLayer& layer, Index rows, Buffers& buffers) const;
  void normalize(const std::vector<float>& weight, const float* x, Index rows, float* out) const;
  void apply(const Linear& linear, const float* x, Index rows, float* out) const;
  void add_to(const std::vector<float>& update, Index rows, std::vector<float>& residual) const;

  const ModelConfig& config_;
  const DecoderWeights& weights_;
  Compute compute_;
  RotaryTable rotary_;
  Probe probe_;
};

}  // namespace assay
