// From generations to records: what the prover writes down.
#pragma once

#include <vector>

#include "attacks/workshop.h"

namespace assay::attacks {

// The record of `claimed` with these generations, every word of the manifest as an honest one has it.
Result<Record> record_claiming(Workshop& workshop, const Setup& claimed, std::vector<Generation> generations,
                               const Sampling& sampling = {});

Result<Record> honest_record(Workshop& workshop, const Setup& setup, const Sampling& sampling = {});

// The generations of `setup` for the prompts asked for.
Result<std::vector<Generation>> generate_all(Workshop& workshop, const Setup& setup,
                                             const Sampling& sampling = {});

// How records that are not greedy are made: as vLLM does, at temperature 1, with the workshop's seed.
Sampling drawn(const Workshop& workshop);

// The same tokens with the scores of `scorer`: the position's own token and the top k.
Result<Generation> rescored(Workshop& workshop, const Setup& scorer, Generation generation, Replay replay);

Sequence tokens_of(const Generation& generation);

// The token that a position of the recorded text has.
TokenId token_at(const Sequence& tokens, Index position);

// Puts lists into a generation, each into its phase; they are in ascending order.
void set_scores(Generation& generation, std::vector<PositionScores> lists);

}  // namespace assay::attacks
