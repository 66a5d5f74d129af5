// What a mock server computes: the native engine and the tokenizer of one model folder.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "record/record.h"
#include "tokenizer/tokenizer.h"

namespace assay {

struct Work {
  std::vector<TokenId> prompt;
  std::optional<Index> prompt_top_k = {};                   // none: no scores at prompt positions
  std::vector<TokenId> ids_of_interest = {};                // scored at prompt positions too
  std::vector<std::vector<TokenId>> ids_of_positions = {};  // of the last so many prompt positions
  Index max_tokens = 0;
  Index top_k = 0;                                 // at generated positions
  std::optional<std::vector<TokenId>> trace = {};  // forced in place of what would be chosen
  bool ignore_eos = false;
  Sampling sampling = {};

  bool operator==(const Work&) const = default;
};

struct Answer {
  std::vector<TokenId> prompt;
  std::vector<PositionScores> prompt_scores = {};  // positions 1 to prompt.size() - 1, or none
  std::vector<TokenId> generated = {};
  std::vector<PositionScores> generated_scores = {};
  bool stopped = false;  // at an end-of-sequence token, the last of `generated`
};

// Thread-safe: the engine computes one Work at a time.
class ServedModel {
 public:
  // `remember`: the answer to the same Work is computed once, and kept as long as the model.
  static Result<std::unique_ptr<ServedModel>> open(const Setup& setup, bool remember);

  // Error: what the engine refuses.
  Result<Answer> compute(const Work& work);

  Index context_length() const { return engine_->context_length(); }
  Index vocabulary_size() const { return engine_->vocabulary_size(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  // The text of what was generated: special tokens are left out.
  std::string text_of(const std::vector<TokenId>& ids) const;
  // One token alone, special or not; U+FFFD for bytes that are no text alone.
  std::string token_text(TokenId id) const { return tokenizer_.decode({&id, 1}); }

 private:
  ServedModel(Tokenizer tokenizer, int threads, bool remember)
      : tokenizer_(std::move(tokenizer)), pool_(threads), remember_(remember) {}
  Result<void> score_prompt(const Work& work, Answer& answer);
  Result<void> replay(const Work& work, Answer& answer);
  Result<void> generate(const Work& work, Answer& answer);

  Tokenizer tokenizer_;
  ThreadPool pool_;
  std::mutex mutex_;
  std::unique_ptr<Engine> engine_;
  std::vector<TokenId> eos_;
  bool remember_;
  std::vector<std::pair<Work, Answer>> remembered_;
};

}  // namespace assay
