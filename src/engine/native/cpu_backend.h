// The decoder on the CPU.
#pragma once

#include <string>

#include "engine/native/decoder.h"
#include "engine/native/decoder_backend.h"

namespace assay {

class CpuBackend : public DecoderBackend {
 public:
  // `model` names it in errors. `kernel` must take every layer (check_layers). What `compute` refers to must outlive
  // the backend.
  CpuBackend(std::string model, const ModelConfig& config, DecoderWeights weights, const Compute& compute,
             const KernelChoice& kernel);

  Index capacity() const override;
  void reserve(Index capacity) override { state_ = decoder_.reserve(capacity); }
  void forward(std::span<const std::int32_t> tokens, Index position, const Pass& pass,
               std::uint64_t noise_seed) override;
  Result<void> visit_logits(std::span<const Index> positions, const Visit& visit) override;
  Result<std::vector<PositionScores>> score(std::span<const AskedPosition> asked) override;
  Environment describe() const override;

 private:
  std::string model_;
  ModelConfig config_;
  DecoderWeights weights_;
  Compute compute_;
  Decoder decoder_;
  DecoderState state_;
};

}  // namespace assay
