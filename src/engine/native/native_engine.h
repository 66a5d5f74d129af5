// The engine that computes everything itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "engine/engine.h"
#include "engine/native/decoder.h"
#include "engine/native/decoder_weights.h"
#include "engine/native/sampling.h"
#include "kernels/recipes/choose.h"

namespace assay {

class NativeEngine : public Engine {
 public:
  // `kernel` must take every layer (LinearProduct::check). What `compute` refers to must outlive the engine.
  NativeEngine(std::string model, ModelConfig config, DecoderWeights weights, const Compute& compute,
               const KernelChoice& kernel, Index prefill_tokens);

  Index vocabulary_size() const override { return config_.vocabulary_size; }
  Index context_length() const override { return config_.context_length; }
  Index tokens_computed() const override { return tokens_computed_; }
  void forget() override { state_.keep(0, config_.hidden_size); }
  Environment describe() const override;

  Result<Scores> score(const ScoreRequest& request) override;
  Result<Generation> generate(const GenerateRequest& request) override;

 private:
  std::optional<Error> check_tokens(std::span<const TokenId> tokens, Index capacity) const;
  std::optional<Error> check_asked(const ScoreRequest& request) const;
  std::optional<Error> check_sampling(const Sampling& sampling) const;

  // The passes of `prompt` tokens as the engine would cut them.
  std::vector<Pass> prefill_passes(Index prompt) const;
  // Makes the state hold the first `count` of `tokens`, as rows of `passes`, with room for `capacity`; what
  // it holds already, in passes that give the same bits, is not computed again.
  void advance(std::span<const TokenId> tokens, Index count, std::span<const Pass> passes, Index capacity);
  // Before advance(): forgets what was computed under another seed, where that can change a bit.
  void use_noise(std::uint64_t seed);
  std::vector<LinearProblem> problems() const;
  Index reusable(std::span<const TokenId> tokens, std::span<const Pass> passes) const;
  // From the state's hidden states: calls `visit(i, logits)` for each position, in parallel. Error: logits
  // that are not finite.
  Result<void> read_logits(std::span<const Index> positions,
                           const std::function<void(std::size_t, std::span<const float>)>& visit);
  Result<std::vector<PositionScores>> read_scores(std::span<const AskedPosition> asked);
  Draw draw(const Sampling& sampling, Index step) const;

  std::string model_;
  ModelConfig config_;
  DecoderWeights weights_;
  Compute compute_;
  KernelChoice kernel_;
  Index prefill_tokens_;
  bool rows_change_bits_;
  Decoder decoder_;
  DecoderState state_;
  Index tokens_computed_ = 0;
};

}  // namespace assay
