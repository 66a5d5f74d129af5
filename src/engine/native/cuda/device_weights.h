// The weights of a decoder in device memory: four-bit linears stay in four bits (kernels/cuda/int4_matrix.h).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "checkpoint/weights.h"
#include "engine/native/decoder_weights.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/int4_matrix.h"

namespace assay {

// engine/native/decoder_weights.h's Linear; empty buffers where there is nothing.
struct DeviceLinear {
  Index inputs = 0;                   // K
  Index outputs = 0;                  // N
  DeviceBuffer<std::uint16_t> dense;  // [N, K]
  Int4Matrix int4;                    // where dense is empty
  DeviceBuffer<std::int32_t> input_order;
  DeviceBuffer<std::uint16_t> output_scale;
  DeviceBuffer<std::uint16_t> bias;
};

struct DeviceLayer {
  DeviceBuffer<std::uint16_t> input_norm;
  DeviceBuffer<std::uint16_t> query_norm, key_norm;  // or empty
  DeviceBuffer<std::uint16_t> post_attention_norm;
  std::array<DeviceLinear, 4> linears;  // qkv, output, gate_up, down: the order of layer_problems.h
};

struct DeviceWeights {
  DeviceBuffer<std::uint16_t> embedding;  // [vocabulary, H]
  std::vector<DeviceLayer> layers;
  DeviceBuffer<std::uint16_t> final_norm;
  DeviceLinear lm_head;  // without `dense` where the embedding is the output layer too

  const std::uint16_t* head() const {
    return lm_head.dense.size() > 0 ? lm_head.dense.data() : embedding.data();
  }
};

// Bytes of device memory that load_device_weights takes, with what it needs on the way.
std::size_t device_bytes(const ModelConfig& config);

// As load_decoder. Ordered on `stream`; has arrived when this returns.
Result<DeviceWeights> load_device_weights(const Weights& files, const ModelConfig& config, Dtype dtype,
                                          const WeightForm& form, ThreadPool& pool, cudaStream_t stream);

}  // namespace assay
