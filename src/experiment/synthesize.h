// `assay synth`: a model folder of random weights (checkpoint/synthetic_model.h) that a run can use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/index.h"
#include "base/thread_pool.h"
#include "checkpoint/quantization.h"

namespace assay {

struct SynthesisOptions {
  std::string shape;
  std::optional<QuantizationMethod> quantization;
  std::optional<Index> shards;                     // default: files of about 1 GB
  std::optional<std::filesystem::path> tokenizer;  // a tokenizer.json to copy; default: one token a byte
  std::uint64_t seed = 0;
};

struct Synthesized {
  Index shards = 0;
  std::size_t bytes = 0;  // of the tensors
};

// Writes config.json, tokenizer.json and the weights under another name, and gives the folder its own when it
// is complete. Error: it exists already, an unknown shape, a tokenizer that does not read or is larger than the
// vocabulary, more shards than tensors, a full disk, an interruption. Then nothing is left of it.
Result<Synthesized> synthesize(const SynthesisOptions& options, const std::filesystem::path& folder,
                               ThreadPool& pool, const std::function<bool()>& stopped);

}  // namespace assay
