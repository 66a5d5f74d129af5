// The weights of a Qwen3, Qwen2 or Llama decoder, ready for the kernels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "kernels/packed_matrix.h"

namespace assay {

// y = x W + bias; the bias is added after the product has been rounded, as vLLM's quantized layers do.
struct Linear {
  PackedMatrix weight;      // [inputs, outputs]
  std::vector<float> bias;  // [outputs], or empty
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

struct DecoderWeights {
  std::vector<std::uint16_t> embedding;  // [vocabulary, H], bits of the activation type
  std::vector<DecoderLayer> layers;
  std::vector<float> final_norm;  // [H]
  PackedMatrix lm_head;           // [H, vocabulary]
};

// All weights in `dtype` (FP16 or BF16); quantized linears dequantized once: RN((q - z) s).
// Error: whatever the checkpoint's readers refuse, and extents that the kernels do not take (D a multiple of
// 16).
Result<DecoderWeights> load_decoder(const Weights& weights, const ModelConfig& config, Dtype dtype,
                                    ThreadPool& pool);

}  // namespace assay
