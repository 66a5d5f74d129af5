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
#include "engine/native/linear_product.h"
#include "engine/native/pass.h"
#include "engine/native/rotary.h"
#include "kernels/compute.h"
#include "kernels/kv_cache.h"

namespace assay {

// What is known of the tokens seen so far: keys and values of every layer, and the final hidden states.
struct DecoderState {
  std::vector<std::int32_t> tokens;
  std::vector<Pass> passes;  // that the tokens went in; the last one may lack its last rows
  std::vector<KvCache> layers;
  std::vector<float> hidden;  // [tokens, H], after the last norm
  // Under which all of it was computed; orders what a kernel leaves to chance.
  std::uint64_t noise_seed = 0;

  // Forgets all but the first `count` tokens.
  void keep(Index count, Index hidden_size);
};

// Holds references: `config`, `weights` and what `compute` refers to must outlive it. One call at a time.
class Decoder {
 public:
  // `kernel` runs the linear layers of the decoder, and must take them (layer_problems.h).
  Decoder(const ModelConfig& config, const DecoderWeights& weights, const Compute& compute,
          const KernelChoice& kernel);

  // An empty state with room for `capacity` tokens.
  DecoderState reserve(Index capacity) const;

  // Appends `tokens` to the state as the next rows of `pass`, which the state's next position lies in. Rows
  // are computed in blocks; blocks change no bit. Fault: no room, or an id outside the vocabulary.
  void forward(std::span<const std::int32_t> tokens, const Pass& pass, DecoderState& state);

  // logits [rows, vocabulary], rounded to the activation type, of final hidden states [rows, H].
  void logits(const float* hidden, Index rows, float* out);

  // Called with (layer, residual stream [rows, H]) after the embedding (layer 0) and after each layer; for
  // tests.
  using Probe = std::function<void(Index layer, const float* residual, Index rows)>;
  void set_probe(Probe probe) { probe_ = std::move(probe); }

  static constexpr Index kBlockRows = 512;

 private:
  struct Buffers;
  // Where a block of rows stands: its first position, and its rows in its pass of `pass_rows`.
  struct Place {
    Index position;
    RowRange rows;
    Index pass_rows;
    std::uint64_t noise;  // of the pass and layer
  };
  enum class Product : std::uint8_t { qkv, output, gate_up, down };
  void block(std::span<const std::int32_t> tokens, const Pass& pass, DecoderState& state);
  void embed(std::span<const std::int32_t> tokens, float* residual) const;
  void attention_block(const DecoderLayer& layer, const Place& place, KvCache& cache, Buffers& buffers);
  void rotate_and_store(const DecoderLayer& layer, Index position, float* qkv, KvCache& cache) const;
  void mlp_block(const DecoderLayer& layer, const Place& place, Buffers& buffers);
  void normalize(const std::vector<float>& weight, const float* x, Index rows, float* out) const;
  void apply(const Linear& linear, Product which, const Place& place, const float* x, float* out);
  void add_to(const std::vector<float>& update, Index rows, std::vector<float>& residual) const;

  const ModelConfig& config_;
  const DecoderWeights& weights_;
  Compute compute_;
  LinearProduct product_;
  LinearProduct head_product_;
  RotaryTable rotary_;
  Probe probe_;
};

}  // namespace assay
