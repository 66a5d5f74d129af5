// The forward pass on a CUDA device: the ops of decoder.h in the same order, activations in 16 bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/config.h"
#include "engine/native/cuda/device_weights.h"
#include "engine/native/cuda/step_graphs.h"
#include "engine/native/layer_problems.h"
#include "engine/native/pass.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/device_matmul.h"
#include "kernels/recipes/choose.h"

namespace assay {

// Whose arithmetic, by which kernel.
struct CudaArithmetic {
  const DeviceSpec& device;
  const KernelChoice& kernel;
  Dtype dtype;
};

// One call at a time; everything is ordered on `stream`, which must outlive the decoder with `config`.
class CudaDecoder {
 public:
  CudaDecoder(const ModelConfig& config, DeviceWeights weights, const CudaArithmetic& arithmetic,
              cudaStream_t stream);

  // Whether products run on the tensor cores of this GPU, or on its CUDA cores.
  bool on_tensor_cores() const { return matmul_.on_tensor_cores(); }

  // Slots for `capacity` tokens; what they held is lost.
  void reserve(Index capacity);
  Index capacity() const { return capacity_; }

  // Tokens at position, position + 1, ... as rows of `pass`, which go into slots equal to their positions. The slots
  // before hold the tokens before.
  void forward(std::span<const std::int32_t> tokens, Index position, const Pass& pass);

  // One token of a sequence of its own: the keys of its positions p < shared lie in slots p, later ones in p + shift, and
  // so does its own.
  struct Step {
    std::int32_t token;
    std::int32_t position;
    std::int32_t shared;
    std::int32_t shift;
  };
  // Up to kMostFewRows steps, each a pass of one row. Where has_steps(); else tokens go through forward().
  void step(std::span<const Step> steps);
  bool has_steps() const { return has_steps_; }

  // The final hidden states of slots from .. from + count - 1 become those of to .. (no overlap, or from = to).
  void copy_hidden(Index from, Index to, Index count);

  // Logits [slots, vocabulary] that the tokens in these slots predict for what follows them, in device memory until the
  // next call; at most kLogitsRows slots.
  const std::uint16_t* logits(std::span<const std::int32_t> slots);

  static constexpr Index kBlockRows = 8192;   // of a forward pass at one time; change no bit
  static constexpr Index kLogitsRows = 1024;  // logits that exist at one time

  // Bytes that reserve(capacity) and the blocks of a pass take.
  static std::size_t working_bytes(const ModelConfig& config, Index capacity);

 private:
  // Activations [rows, ...].
  struct Buffers {
    DeviceBuffer<std::uint16_t> residual, normed, qkv, attended, gate_up, activated, update, gathered;
    DeviceBuffer<std::int32_t> tokens, positions;
  };
  // Rows that go through the layers together, and where the kernels find them.
  struct Block {
    Index rows;
    ProductRows product;
    const std::int32_t* tokens;  // [rows], in device memory, as the next two
    const std::int32_t* positions;
    const std::int32_t* slots;
    const DecodeRow* steps;  // or null: consecutive positions
    Index first_position;    // where steps is null
  };
  KvLayer cache_of(std::size_t layer) const;
  void make_room(Index rows);
  void clear_workspace(Index rows);
  // `hidden` gets [rows, H].
  void run(const Block& block, std::uint16_t* hidden);
  AttentionCall attention_call(std::size_t layer, Index rows) const;
  void attention_block(std::size_t layer, const Block& block);
  void attend(std::size_t layer, const Block& block);
  void mlp_block(std::size_t layer, const Block& block);
  void apply(std::size_t layer, std::size_t which, const Block& block, const std::uint16_t* x,
             std::uint16_t* out);

  const ModelConfig& config_;
  DeviceWeights weights_;
  const DeviceSpec& device_;
  KernelChoice kernel_;
  Dtype dtype_;
  cudaStream_t stream_;
  std::vector<LayerProblem> problems_;
  DeviceMatmul matmul_;
  DeviceBuffer<float> cosine_, sine_;  // [context, D / 2]
  Index capacity_ = 0;
  DeviceBuffer<std::uint16_t> cache_;   // [layers][keys, values][kv_heads][capacity][D]
  DeviceBuffer<std::uint16_t> hidden_;  // [capacity, H], after the last norm
  Buffers buffers_;
  bool has_steps_ = false;
  DeviceBuffer<std::int32_t> step_rows_;  // tokens, positions, slots, DecodeRows of kMostFewRows steps
  DeviceBuffer<std::byte> attention_workspace_;
  Index workspace_rows_ = 0;  // that it was last used for
  StepGraphs graphs_;
  int times_cleared_ = 0;  // of matmul_, when graphs_ was last used
};

}  // namespace assay
