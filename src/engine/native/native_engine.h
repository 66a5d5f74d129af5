// The engine that computes everything itself: checks requests, cuts them into passes, keeps what can be reused.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "emulator/device.h"
#include "engine/engine.h"
#include "engine/native/decoder_backend.h"
#include "engine/native/layer_problems.h"
#include "engine/native/sampling.h"
#include "kernels/ops.h"
#include "kernels/recipes/choose.h"

namespace assay {

// Whose arithmetic, and how the engine cuts a prompt.
struct NativeSetup {
  const DeviceSpec& device;
  KernelChoice kernel;
  Index prefill_tokens = 0;
};

class NativeEngine : public Engine {
 public:
  // `ops` read logits on the host.
  NativeEngine(std::string model, ModelConfig config, const NativeSetup& setup, const Ops& ops,
               std::unique_ptr<DecoderBackend> backend);

  Index vocabulary_size() const override { return config_.vocabulary_size; }
  Index context_length() const override { return config_.context_length; }
  Index tokens_computed() const override { return tokens_computed_; }
  void forget() override;
  Environment describe() const override;

  Result<Scores> score(const ScoreRequest& request) override;
  Index most_together(Replay replay) const override {
    return replay == Replay::decode ? backend_->most_branches() : 1;
  }
  Result<std::vector<Scores>> score_together(std::span<const ScoreRequest> requests) override;
  Result<Generation> generate(const GenerateRequest& request) override;

 private:
  struct Reading;
  std::optional<Error> check(const ScoreRequest& request) const;
  // Of a request whose positions the backend knows.
  Result<Scores> read(const ScoreRequest& request, const Reading& reading);
  bool can_branch(std::span<const ScoreRequest> requests) const;
  std::optional<Error> check_tokens(std::span<const TokenId> tokens, Index capacity) const;
  std::optional<Error> check_asked(const ScoreRequest& request) const;
  std::optional<Error> check_sampling(const Sampling& sampling) const;

  // The passes of `prompt` tokens as the engine would cut them.
  std::vector<Pass> prefill_passes(Index prompt) const;
  // Makes the backend know the first `count` of `tokens`, as rows of `passes`, with room for `capacity`; what
  // it knows already, in passes that give the same bits, is not computed again.
  void advance(std::span<const TokenId> tokens, Index count, std::span<const Pass> passes, Index capacity);
  // Before advance(): forgets what was computed under another seed, where that can change a bit.
  void use_noise(std::uint64_t seed);
  Index reusable(std::span<const TokenId> tokens, std::span<const Pass> passes) const;
  Draw draw(const Sampling& sampling, Index step) const;

  std::string model_;
  ModelConfig config_;
  NativeSetup setup_;
  const Ops& ops_;
  std::vector<LayerProblem> problems_;  // of one row
  bool rows_change_bits_;
  std::unique_ptr<DecoderBackend> backend_;
  // What the backend knows.
  std::vector<TokenId> tokens_;
  std::vector<Pass> passes_;  // that the tokens went in; the last one may lack its last rows
  std::uint64_t noise_seed_ = 0;
  Index tokens_computed_ = 0;
};

}  // namespace assay
