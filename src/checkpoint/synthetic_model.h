// Random weights with the names, types and sizes of a real model: for measuring speed, where no output means
// anything. Activations stay finite through all layers and logits are about normal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "checkpoint/safetensors.h"

namespace assay {

// The names that synthetic_config knows: "tiny", ...
std::vector<std::string> synthetic_shapes();

// The text of config.json. Quantized: 4 bits in groups of 128; GPTQ version 1, symmetric, without desc_act.
// Error: an unknown shape.
Result<std::string> synthetic_config(std::string_view shape, std::optional<QuantizationMethod> quantization,
                                     std::uint64_t seed);

// What a tensor is filled with.
enum class Fill : std::uint8_t {
  ones,
  normal,                 // mean 0, deviation `spread`, cut at 3.5 deviations
  scales,                 // even from 0.75 to 1.25 times `spread`
  integers,               // random words: every q is as likely, the mean is 7.5
  symmetric_integers,     // the same, but 8 for 0: the mean is 8
  zero_points,            // nibbles 7 and 8
  symmetric_zero_points,  // nibbles 7, which version 1 means as 8
  groups                  // row / `spread`
};

struct SyntheticTensor {
  TensorEntry entry;
  Fill fill = Fill::ones;
  float spread = 0;
};

// All that check_layout asks for, from the embedding to the output layer. FP16 or, where `config` is
// quantized, int32.
std::vector<SyntheticTensor> synthetic_tensors(const ModelConfig& config);

// Which tensors (indices, ascending) go into which of `count` files of about equal size. `count` is from 1 to
// the number of tensors.
std::vector<std::vector<std::size_t>> split_into_shards(std::span<const SyntheticTensor> tensors,
                                                        Index count);

// Writes *.safetensors and, of several, the index into an existing folder. A tensor's bytes depend on the
// seed and on its place among `tensors`, not on threads or shards. Memory: 4 MB a thread. Error: a file that
// cannot be written, or an interruption (`stopped` is asked before each piece); what was written stays.
Result<void> write_synthetic_weights(const std::filesystem::path& folder,
                                     std::span<const SyntheticTensor> tensors,
                                     std::span<const std::vector<std::size_t>> shards, std::uint64_t seed,
                                     ThreadPool& pool, const std::function<bool()>& stopped);

}  // namespace assay
