// Where records are made, honest and other: prompts, generations and teacher-forced scores of one seed, each
// computed once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attacks/distribution.h"
#include "attacks/engine_shelf.h"
#include "attacks/tiny_setups.h"

namespace assay::attacks {

struct WorkshopPlan {
  std::uint64_t seed = 1;  // which prompts, and every choice of an attack
  Index references = 4;
  Index prompt_tokens = 80;
  Index new_tokens = 16;  // generated; as many positions are recorded before the prompt's end
  Index top_k = 5;
  std::string text = ASSAY_SOURCE_DIR "/LICENSE";  // that prompts are cut from
};

// The orders of what a kernel leaves to chance: a verifier cannot know the prover's.
inline constexpr std::uint64_t kProverNoise = 0;
inline constexpr std::uint64_t kVerifierNoise = 0x7e57;

// A prompt and what follows it.
struct Sequence {
  std::vector<TokenId> prompt;
  std::vector<TokenId> generated;
};

struct ForcedScores {
  std::vector<Distribution> positions;  // recorded ones, ascending
  std::vector<TokenCheck> tokens;       // every generated token
};

class Workshop {
 public:
  // `shelf` must outlive the workshop. Error: a tokenizer or text that does not read.
  static Result<Workshop> open(EngineShelf& shelf, const WorkshopPlan& plan);

  const WorkshopPlan& plan() const { return plan_; }
  EngineShelf& shelf() { return *shelf_; }

  // Any reference >= 0: those from plan().references on are other people's prompts.
  std::vector<TokenId> prompt(Index reference) const;

  // What an honest prover records, by decoding; setup and reference are filled in. `sampling` has the
  // record's seed (GenerationSettings).
  Result<Generation> generate(const Setup& setup, Index reference, const Sampling& sampling = {});

  // The scores of all ids at the recorded positions of forced tokens, and the tokens against what `sampling`
  // would choose, whose seed is the request's own. Valid as long as the workshop.
  Result<const ForcedScores*> score(const Setup& setup, const Sequence& tokens, Replay replay,
                                    std::uint64_t noise = kProverNoise, const Sampling& sampling = {});

  // Of the token that would follow, by decoding.
  Result<Distribution> next(const Setup& setup, const Sequence& tokens);

 private:
  Workshop(EngineShelf& shelf, const WorkshopPlan& plan, std::vector<TokenId> text)
      : shelf_(&shelf), plan_(plan), text_(std::move(text)) {}

  EngineShelf* shelf_;
  WorkshopPlan plan_;
  std::vector<TokenId> text_;
  std::map<std::string, Generation> generations_;
  std::map<std::string, std::unique_ptr<ForcedScores>> scores_;
};

}  // namespace assay::attacks
