// What computes a decoder for NativeEngine and keeps what is known of the tokens that went through it: keys, values
// and final hidden states. One backend for CPUs, one for CUDA devices; equal bits.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "engine/engine.h"
#include "engine/native/pass.h"
#include "kernels/ops.h"

namespace assay {

// One call at a time.
class DecoderBackend {
 public:
  // Called with the index of a position asked for and its logits [vocabulary]; from several threads at once.
  using Visit = std::function<void(std::size_t, std::span<const float>)>;

  virtual ~DecoderBackend() = default;

  // Tokens that there is room for.
  virtual Index capacity() const = 0;
  // Makes room; forgets everything.
  virtual void reserve(Index capacity) = 0;

  // Computes `tokens` at position, position + 1, ..., which are rows of `pass`; forgets what was known from there on.
  // The tokens before are known. `noise_seed` orders what a kernel leaves to chance.
  virtual void forward(std::span<const std::int32_t> tokens, Index position, const Pass& pass,
                       std::uint64_t noise_seed) = 0;

  // How many continuations of one prompt can go through single steps together without changing a bit; 1: none.
  virtual Index most_branches() const { return 1; }
  // Computes each branch's tokens at position, position + 1, ..., every token a pass of its own. The tokens before are
  // known and shared; of the branches only what select_branch() asks for is known afterwards. There is room for the
  // longest branch as often as there are branches.
  virtual void forward_branches(Index position, std::span<const std::span<const std::int32_t>> branches);
  // From now on the positions of the branches are those of this one, for visit_logits and score.
  virtual void select_branch(Index branch);

  // The logits that predict each position, 1 <= position <= known tokens. Error: logits that are not finite.
  virtual Result<void> visit_logits(std::span<const Index> positions, const Visit& visit) = 0;

  // The scores asked for (score_logits.h), position by position. Errors as visit_logits.
  virtual Result<std::vector<PositionScores>> score(std::span<const AskedPosition> asked) = 0;

  // "processor" and what else ran that changes no bit, for the record.
  virtual Environment describe() const = 0;
};

// DecoderBackend::score from whole rows of logits, on the host by `ops`.
Result<std::vector<PositionScores>> score_by_visiting(DecoderBackend& backend, const Ops& ops,
                                                      std::span<const AskedPosition> asked);

}  // namespace assay
