// Which tensors a model of a given configuration consists of.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "checkpoint/config.h"
#include "checkpoint/weights.h"

namespace assay {

// y = x W (+ bias): its tensors are `name`.weight [outputs, inputs], or those of read_quantized.
struct LinearLayer {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  Index inputs = 0;
  Index outputs = 0;
  bool has_bias = false;  // `name`.bias [outputs]
};

// q, k, v, o, gate, up, down of one decoder layer, in this order.
std::vector<LinearLayer> decoder_linears(const ModelConfig& config, Index layer);

// Error: a tensor that the configuration needs is missing or has another shape; or there is one that it does
// not know, so that the file means more than is computed here. Tolerated because they change nothing: stored
// rotary frequencies, lm_head.weight beside tied embeddings, biases that are all zero.
Result<void> check_layout(const Weights& weights, const ModelConfig& config);

}  // namespace assay
