// Every way of lying that a verdict is tested against. Each makes a record, well formed and with the manifest
// of an honest prover of the claimed setup, that another setup or procedure produced.
#pragma once

#include <span>

#include "attacks/record_maker.h"
#include "attacks/workshop.h"

namespace assay::attacks {

struct Attack {
  const char* name;
  const char* claims;
  const char* ran;
  const char* evades;  // why simple checks miss it
  Result<Record> (*make)(Workshop& workshop);
  bool dishonest = true;  // false: a weak record of an honest prover
};

std::span<const Attack> attacks();

// Tokens of `cheap_setup`, scores of the claimed setup over them, from one prefill.
Result<Record> attached(Workshop& workshop);

// The cheap setup chooses each token of which it is sure, the claimed one the others; scores as `attached`.
inline constexpr double kSure = 0.3;  // probability of the cheap setup's first choice
Result<Record> speculative(Workshop& workshop);

// The cheap setup's scores at the temperature that gives its tokens the mean log-probability of the claimed
// setup's.
Result<Record> tuned_temperature(Workshop& workshop);

// Every n-th request is served by `other`, the first of them drawn from the seed.
Result<Record> substituted(Workshop& workshop, const Setup& other, Index n);

// `ran` under the name of `gptq`, whose bits nobody can demand.
Result<Record> shopped_noise_floor(Workshop& workshop, const Setup& ran);

// `ran`'s log-probabilities in decimals, rounded to nearest or toward zero, under the name of the claimed
// setup.
enum class Cut { rounded, truncated };
Result<Record> in_decimals(Workshop& workshop, const Setup& ran, Index decimals, Cut cut);

// The cheap setup's own token and, in place of its top k, ids outside the claimed setup's top k of which the
// two setups think alike.
Result<Record> outside_the_top(Workshop& workshop);

// Both claim to be drawn: honest scores of tokens drawn with another seed than the claimed one, as who tries
// seeds until an answer pleases; and `attached` with the claimed seed.
Result<Record> wrong_seed(Workshop& workshop);
Result<Record> attached_drawn(Workshop& workshop);

// `claimed_setup` on another device.
Result<Record> wrong_device(Workshop& workshop);

// Honest tokens; every second generated position has the scores of `other`: less than half are wrong.
Result<Record> half_replaced(Workshop& workshop, const Setup& other);

// The answer to another prompt, honest in itself, under the prompt asked for.
Result<Record> replayed(Workshop& workshop);

// An honest record of `ran` whose manifest is edited to be the claimed setup's.
Result<Record> edited_manifest(Workshop& workshop, const Setup& ran);

}  // namespace assay::attacks
