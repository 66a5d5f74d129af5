// The weights of a Qwen3, Qwen2 or Llama decoder, ready for the kernels.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "kernels/integer_matrix.h"
#include "kernels/packed_matrix.h"

namespace assay {

// y = RN(x W), then RN(y s), then RN(y + b): scale and bias come after the product has been rounded, as in
// vLLM's quantized layers.
struct Linear {
  PackedMatrix weight;                    // [inputs, outputs], rows in the kernel's order
  std::vector<std::int32_t> input_order;  // row k of `weight` multiplies x[input_order[k]]; empty: x[k]
  std::vector<float> output_scale;        // [outputs], or empty: the scale is in the weights
  std::vector<float> bias;                // [outputs], or empty
  Index group_size = 0;                   // of the quantization, = inputs for one group a column; 0: none
  bool zero_points = false;
  std::optional<IntegerMatrix> integers;  // where the kernel wants them: the same weights, not dequantized
};

// How a kernel wants quantized weights.
struct WeightForm {
  bool sorts_by_group = false;          // with desc_act, rows in the order of their groups (stable)
  bool scales_columns_outside = false;  // with one group a column: w = q - z, the scale as output_scale
  bool keeps_integers = false;  // q - z and the scales too; with desc_act, rows in the order of their groups
};

// H hidden size, D head size, I intermediate size.
struct DecoderLayer {
  std::vector<float> input_norm;            // [H]
  Linear qkv;                               // [H, (heads + 2 kv_heads) D]
  std::vector<float> query_norm, key_norm;  // [D], or empty
  Linear output;                            // [heads D, H]
  std::vector<float> post_attention_norm;   // [H]
  Linear gate_up;                           // [H, 2 I]
  Linear down;                              // [I, H]
};

// The layer's linears with their names in vLLM, in the order in which they run.
inline std::array<std::pair<const Linear*, const char*>, 4> linears_of(const DecoderLayer& layer) {
  return {{{&layer.qkv, "self_attn.qkv_proj"},
           {&layer.output, "self_attn.o_proj"},
           {&layer.gate_up, "mlp.gate_up_proj"},
           {&layer.down, "mlp.down_proj"}}};
}

struct DecoderWeights {
  std::vector<std::uint16_t> embedding;  // [vocabulary, H], bits of the activation type
  std::vector<DecoderLayer> layers;
  std::vector<float> final_norm;  // [H]
  Linear lm_head;                 // [H, vocabulary]
};

// What the kernels ask of a configuration beyond what the checkpoint's readers do; nothing where it is all right.
std::optional<Error> unsupported(const Weights& weights, const ModelConfig& config);

// All weights in `dtype` (FP16 or BF16); quantized linears dequantized once, RN((q - z) s), but for what
// `form` asks. Error: whatever the checkpoint's readers refuse, and extents that the kernels do not take (D a
// multiple of 16).
Result<DecoderWeights> load_decoder(const Weights& weights, const ModelConfig& config, Dtype dtype,
                                    const WeightForm& form, ThreadPool& pool);

}  // namespace assay
